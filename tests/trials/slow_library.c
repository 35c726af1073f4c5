// SPDX-License-Identifier: Apache-2.0
// A library whose constructor does not end: its loader keeps the loader's lock.
extern void trials_constructor(void);

__attribute__((constructor)) static void stay(void) { trials_constructor(); }
