/*
 * A64 instructions that order or lock: what one is, by its encoding
 *
 * Encodings as in the Arm Architecture Reference Manual for A-profile, section
 * "Top-level encodings for A64". Not a disassembler: whatever is none of these
 * has no class.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BENCH_PLUGIN_DECODE_H
#define BENCH_PLUGIN_DECODE_H

#include <stdbool.h>
#include <stdint.h>

/* An instruction may have several: LDAXR is INSN_ATOMIC and INSN_ORDERED */
enum insn_class {
    INSN_ATOMIC = 1,            /* CAS, CASP, SWP, LD<op>, ST<op>, LDXR, LDXP */
    INSN_STORE_EXCLUSIVE = 2,   /* STXR, STXP: the second half of an atomic */
    INSN_BARRIER = 4,           /* DMB, DSB, ISB, SB */
    INSN_ORDERED = 8,           /* LDAR, LDAPR, STLR and others that say so */
    INSN_ZERO_LINE = 16,        /* DC ZVA */
};

static inline bool insn_bit(uint32_t insn, int bit)
{
    return insn >> bit & 1;
}

/* Loads and stores, exclusive or ordered, and compare and swap */
static inline unsigned decode_exclusive(uint32_t insn)
{
    bool load = insn_bit(insn, 22), o0 = insn_bit(insn, 15);
    unsigned ordered = load || o0 ? INSN_ORDERED : 0;

    if (insn_bit(insn, 23)) {
        /* CAS, whose "load" is acquire and whose o0 is release */
        return insn_bit(insn, 21) ? INSN_ATOMIC | ordered : INSN_ORDERED;
    }
    if (insn_bit(insn, 21) && !insn_bit(insn, 31)) {
        return INSN_ATOMIC | ordered;           /* CASP */
    }
    return (load ? INSN_ATOMIC : INSN_STORE_EXCLUSIVE) |
           (o0 ? INSN_ORDERED : 0);
}

/* SWP, LD<op> and ST<op>; LDAPR has a place among them */
static inline unsigned decode_atomic_op(uint32_t insn)
{
    bool acquire = insn_bit(insn, 23), release = insn_bit(insn, 22);
    unsigned opc = insn >> 12 & 7;

    if (insn_bit(insn, 15) && opc) {
        return opc == 4 && acquire && !release ? INSN_ORDERED : 0;
    }
    return INSN_ATOMIC | (acquire || release ? INSN_ORDERED : 0);
}

static inline unsigned decode(uint32_t insn)
{
    if ((insn & 0x3f000000) == 0x08000000) {
        return decode_exclusive(insn);
    }
    if ((insn & 0x3f200c00) == 0x38200000) {
        return decode_atomic_op(insn);
    }
    if ((insn & 0x3f200c00) == 0x19000000) {
        return INSN_ORDERED;                    /* LDAPUR, STLUR */
    }
    if ((insn & 0xfffff01f) == 0xd503301f) {
        unsigned op = insn >> 5 & 7;

        /* 1 is DSB with nXS, but for CRm of other hints */
        return op >= 4 || (op == 1 && (insn >> 8 & 3) == 2) ? INSN_BARRIER : 0;
    }
    if ((insn & 0xffffffe0) == 0xd50b7420) {
        return INSN_ZERO_LINE;
    }
    return 0;
}

#endif
