// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Packaged kernel headers, prepared so that a module can be built against them.
