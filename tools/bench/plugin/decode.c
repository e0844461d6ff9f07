/*
 * Decode the little-endian A64 words of stdin, one number of classes a line
 *
 * For the unit test of decode.h; the plugin does not use this file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>

#include "decode.h"

int main(void)
{
    uint8_t b[4];

    while (fread(b, sizeof(b), 1, stdin) == 1) {
        uint32_t insn = b[0] | b[1] << 8 | b[2] << 16 | (uint32_t)b[3] << 24;

        printf("%u\n", decode(insn));
    }
    return 0;
}
