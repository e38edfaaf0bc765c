// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What bindgen found in a header, read back from its Rust text: constants, and for each
//! structure size, alignment, and offset and type of each field as clang laid them out.

use anyhow::{Context, anyhow, ensure};
use quote::ToTokens;
use std::collections::BTreeMap;

/// A field.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name; bindgen names those without.
    pub name: String,
    /// Its offset.
    pub offset: u64,
    /// Its type in Rust.
    pub kind: String,
}

/// A structure or union.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Structure {
    /// Is it a union?
    pub union: bool,
    /// Its size.
    pub size: u64,
    /// Its alignment.
    pub align: u64,
    /// Its fields in order.
    pub fields: Vec<Field>,
}

/// Everything of a header.
#[derive(Debug, Default)]
pub struct Layout {
    /// Constants by name, with their type.
    pub constants: BTreeMap<String, (String, u64)>,
    /// Structures by name.
    pub structures: BTreeMap<String, Structure>,
}

impl Layout {
    /// Reads the text of bindgen.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let file = syn::parse_file(text)?;
        let mut layout = Layout::default();
        for item in &file.items {
            match item {
                syn::Item::Const(item) if item.ident != "_" => layout.constant(item)?,
                syn::Item::Struct(item) => layout.structure(&item.ident, &item.fields, false)?,
                syn::Item::Union(item) => {
                    let fields = syn::Fields::Named(item.fields.clone());
                    layout.structure(&item.ident, &fields, true)?;
                }
                _ => {}
            }
        }
        for item in &file.items {
            if let syn::Item::Const(item) = item
                && item.ident == "_"
            {
                layout.checks(&item.expr)?;
            }
        }
        layout.place_anonymous()?;
        for (name, structure) in &layout.structures {
            ensure!(structure.align > 0, "bindgen says nothing of the layout of {name}");
        }
        Ok(layout)
    }

    /// Places fields without a name, of which bindgen checks nothing: at the first place behind
    /// the field before that fits their alignment. The Rust compiler has to agree (`uapi::abi`).
    fn place_anonymous(&mut self) -> anyhow::Result<()> {
        let mut places = Vec::new();
        for (name, structure) in &self.structures {
            if structure.union {
                continue;
            }
            for (index, field) in structure.fields.iter().enumerate() {
                if !field.name.starts_with("__bindgen_anon") || index == 0 {
                    continue;
                }
                let before = &structure.fields[index - 1];
                let align = self.structures.get(&field.kind).map_or(0, |inner| inner.align);
                ensure!(align > 0, "{name}::{} has the unknown type {}", field.name, field.kind);
                let end = before.offset + self.size_of(&before.kind)?;
                places.push((name.clone(), index, end.next_multiple_of(align)));
            }
        }
        for (name, index, offset) in places {
            if let Some(structure) = self.structures.get_mut(&name) {
                structure.fields[index].offset = offset;
            }
        }
        Ok(())
    }

    fn size_of(&self, kind: &str) -> anyhow::Result<u64> {
        if let Some((element, count)) = kind
            .strip_prefix('[')
            .and_then(|k| k.strip_suffix(']'))
            .and_then(|k| k.rsplit_once("; "))
        {
            return Ok(self.size_of(element)? * count.parse::<u64>()?);
        }
        Ok(match kind {
            "u8" | "i8" => 1,
            "u16" | "i16" => 2,
            "u32" | "i32" => 4,
            "u64" | "i64" => 8,
            other => {
                let structure = self.structures.get(other);
                structure.with_context(|| format!("the size of {other} is not known"))?.size
            }
        })
    }

    fn constant(&mut self, item: &syn::ItemConst) -> anyhow::Result<()> {
        let name = item.ident.to_string();
        let value = integer(&item.expr).with_context(|| format!("constant {name}"))?;
        self.constants.insert(name, (tokens(&item.ty), value));
        Ok(())
    }

    fn structure(
        &mut self,
        name: &syn::Ident,
        fields: &syn::Fields,
        union: bool,
    ) -> anyhow::Result<()> {
        let mut structure = Structure { union, ..Structure::default() };
        for field in fields {
            let field_name = field.ident.as_ref().ok_or_else(|| anyhow!("tuple {name}"))?;
            structure.fields.push(Field {
                name: field_name.to_string(),
                offset: 0,
                kind: tokens(&field.ty),
            });
        }
        self.structures.insert(name.to_string(), structure);
        Ok(())
    }

    /// Reads the checks of bindgen: `["Size of x"][size_of::<x>() - 8usize];`.
    fn checks(&mut self, block: &syn::Expr) -> anyhow::Result<()> {
        let syn::Expr::Block(block) = block else { return Ok(()) };
        for statement in &block.block.stmts {
            let syn::Stmt::Expr(syn::Expr::Index(index), _) = statement else { continue };
            let (syn::Expr::Array(title), syn::Expr::Binary(difference)) =
                (&*index.expr, &*index.index)
            else {
                continue;
            };
            let Some(syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(title), .. })) =
                title.elems.first()
            else {
                continue;
            };
            self.check(&title.value(), integer(&difference.right)?)?;
        }
        Ok(())
    }

    fn check(&mut self, title: &str, value: u64) -> anyhow::Result<()> {
        let unknown = || anyhow!("check of bindgen {title:?} is not understood");
        let structures = &mut self.structures;
        if let Some(name) = title.strip_prefix("Size of ") {
            structures.get_mut(name).ok_or_else(unknown)?.size = value;
        } else if let Some(name) = title.strip_prefix("Alignment of ") {
            structures.get_mut(name).ok_or_else(unknown)?.align = value;
        } else {
            let path = title.strip_prefix("Offset of field: ").ok_or_else(unknown)?;
            let (name, field) = path.split_once("::").ok_or_else(unknown)?;
            let fields = &mut structures.get_mut(name).ok_or_else(unknown)?.fields;
            let field = fields.iter_mut().find(|f| f.name == field).ok_or_else(unknown)?;
            field.offset = value;
        }
        Ok(())
    }
}

fn integer(expression: &syn::Expr) -> anyhow::Result<u64> {
    match expression {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(value), .. }) => Ok(value.base10_parse()?),
        other => Err(anyhow!("{} is no integer", tokens(other))),
    }
}

fn tokens(part: &impl ToTokens) -> String {
    let text = part.to_token_stream().to_string();
    text.replace(" :: ", "::")
        .replace(":: ", "::")
        .replace("[ ", "[")
        .replace(" ]", "]")
        .replace(" ;", ";")
        .replace("* ", "*")
        .replace("usize]", "]")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        pub const A: u32 = 7;
        #[repr(C)]
        pub struct s { pub x: u32, pub y: [u8; 4usize], }
        const _: () = {
            ["Size of s"][::core::mem::size_of::<s>() - 8usize];
            ["Alignment of s"][::core::mem::align_of::<s>() - 4usize];
            ["Offset of field: s::x"][::core::mem::offset_of!(s, x) - 0usize];
            ["Offset of field: s::y"][::core::mem::offset_of!(s, y) - 4usize];
        };
    "#;

    #[test]
    fn reads_constants_and_layout() -> anyhow::Result<()> {
        let layout = Layout::parse(TEXT)?;
        assert_eq!(layout.constants["A"], ("u32".to_string(), 7));
        let s = &layout.structures["s"];
        assert_eq!((s.size, s.align, s.union), (8, 4, false));
        let y = Field { name: "y".into(), offset: 4, kind: "[u8; 4]".into() };
        assert_eq!(s.fields[1], y);
        Ok(())
    }

    #[test]
    fn places_fields_without_a_name() -> anyhow::Result<()> {
        let text = TEXT
            .replace("pub y: [u8; 4usize]", "pub y: [u8; 4usize], pub __bindgen_anon_1: s")
            + "pub struct e { pub a: [[u16; 3usize]; 1usize], pub __bindgen_anon_1: s }
               const _: () = { [\"Alignment of e\"][::core::mem::align_of::<e>() - 4usize]; };";
        let layout = Layout::parse(&text)?;
        assert_eq!(layout.structures["s"].fields[2].offset, 8);
        assert_eq!(layout.structures["e"].fields[1].offset, 8);
        assert!(Layout::parse(&text.replace("u16", "wide")).is_err());
        Ok(())
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        for (from, to) in [
            ("Offset of field: s::y", "Offset of field: s::z"),
            ("Size of s", "Size of t"),
            ("[\"Alignment of s\"][::core::mem::align_of::<s>() - 4usize];", ""),
            ("Size of s", "Colour of s"),
            ("= 7", "= B"),
        ] {
            let text = TEXT.replace(from, to);
            assert_ne!(text, TEXT);
            assert!(Layout::parse(&text).is_err(), "{to}");
        }
    }
}
