/*
 * TCG plugin: what the rounds of ats_cost execute and which memory they touch
 *
 * A round is what the module of the selftests measures between its readings of
 * an endpoint's clock (atd_cost_measure() in ats_testdev.c). Two readings in a
 * row, t0 and t1, come before it, and one, t2, in the middle of it:
 *
 *   t0 t1 map t2 unmap t3
 *
 * Counts are those from t1 to t3 less twice those from t0 to t1, which is how
 * the module gets the instructions, too. Lines are those touched from t1 to t3.
 * Devices' registers are not memory. Writes a line of text for each round:
 *
 *   instructions atomics store-exclusives barriers ordered read written touched
 *
 * It is no model of a cache: it tells how many lines are touched, and not which
 * of them hit. Instructions are not among them. It is for one CPU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>
#include <qemu-plugin.h>

#include "ats-testdev-regs.h"
#include "decode.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

#define LINE_SHIFT      6
#define PAGE_MASK       UINT64_C(0xfff)
#define READINGS        4
#define LINE_READ       1
#define LINE_WRITTEN    2

enum {
    INSNS, ATOMICS, STORE_EXCLUSIVES, BARRIERS, ORDERED, NR_COUNTS
};

typedef struct {
    uint64_t n[NR_COUNTS];
} Counts;

static const unsigned class_of[NR_COUNTS] = {
    [ATOMICS] = INSN_ATOMIC,
    [STORE_EXCLUSIVES] = INSN_STORE_EXCLUSIVE,
    [BARRIERS] = INSN_BARRIER,
    [ORDERED] = INSN_ORDERED,
};

static struct qemu_plugin_scoreboard *board;
static Counts at[READINGS];
static int reading;
/* Page of the endpoint whose clock is read, 0 if nothing is measured */
static uint64_t clock_page;
static bool recording;
static GHashTable *lines;
static struct qemu_plugin_register *xregs[31];
static GByteArray *value;
static FILE *out;

static void touch(uint64_t vaddr, uint64_t size, unsigned how)
{
    uint64_t line = vaddr >> LINE_SHIFT;
    uint64_t last = (vaddr + size - 1) >> LINE_SHIFT;

    for (; line <= last; line++) {
        gpointer key = (gpointer)(uintptr_t)line;
        uintptr_t was = (uintptr_t)g_hash_table_lookup(lines, key);

        g_hash_table_insert(lines, key, (gpointer)(was | how));
    }
}

static void print_lines(void)
{
    unsigned n_read = 0, n_written = 0;
    GHashTableIter iter;
    gpointer how;

    g_hash_table_iter_init(&iter, lines);
    while (g_hash_table_iter_next(&iter, NULL, &how)) {
        n_read += !!((uintptr_t)how & LINE_READ);
        n_written += !!((uintptr_t)how & LINE_WRITTEN);
    }
    fprintf(out, "%u %u %u\n", n_read, n_written, g_hash_table_size(lines));
}

static void read_clock(unsigned int cpu)
{
    at[reading++] = *(Counts *)qemu_plugin_scoreboard_find(board, cpu);
    if (reading == 2) {
        g_hash_table_remove_all(lines);
        recording = true;
    } else if (reading == READINGS) {
        recording = false;
        reading = 0;
        for (int i = 0; i < NR_COUNTS; i++) {
            fprintf(out, "%" PRId64 " ",
                    (int64_t)(at[3].n[i] - at[1].n[i] -
                              2 * (at[1].n[i] - at[0].n[i])));
        }
        print_lines();
    }
}

/* The first mark of an endpoint begins what is measured, the second ends it */
static void mark(uint64_t page)
{
    clock_page = clock_page == page ? 0 : page;
    reading = 0;
    recording = false;
}

static void memory_accessed(unsigned int cpu, qemu_plugin_meminfo_t info,
                            uint64_t vaddr, void *udata)
{
    uint64_t reg = vaddr & PAGE_MASK;
    bool store = qemu_plugin_mem_is_store(info);
    struct qemu_plugin_hwaddr *hw;

    if (!recording && reg != (store ? ATD_MARK : ATD_TIME)) {
        return;
    }
    hw = qemu_plugin_get_hwaddr(info, vaddr);
    if (!hw || !qemu_plugin_hwaddr_is_io(hw)) {
        if (recording) {
            touch(vaddr, 1 << qemu_plugin_mem_size_shift(info),
                  store ? LINE_WRITTEN : LINE_READ);
        }
        return;
    }
    if (strcmp(qemu_plugin_hwaddr_device_name(hw), "ats-testdev")) {
        return;
    }
    if (store && reg == ATD_MARK) {
        mark(vaddr & ~PAGE_MASK);
    } else if (!store && reg == ATD_TIME &&
               (vaddr & ~PAGE_MASK) == clock_page) {
        read_clock(cpu);
    }
}

/* It is done by a helper, whose accesses QEMU does not report */
static void line_zeroed(unsigned int cpu, void *udata)
{
    uint64_t vaddr = 0;
    uintptr_t n = (uintptr_t)udata;

    if (!recording || n >= G_N_ELEMENTS(xregs)) {
        return;
    }
    g_byte_array_set_size(value, 0);
    if (!xregs[n] || qemu_plugin_read_register(xregs[n], value) != 8) {
        fprintf(out, "x%d cannot be read\n", (int)n);
        return;
    }
    memcpy(&vaddr, value->data, sizeof(vaddr));
    touch(GUINT64_FROM_LE(vaddr) & ~((UINT64_C(1) << LINE_SHIFT) - 1),
          1 << LINE_SHIFT, LINE_WRITTEN);
}

static void count(struct qemu_plugin_insn *insn, int what)
{
    qemu_plugin_u64 entry = { board, what * sizeof(uint64_t) };

    qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
        insn, QEMU_PLUGIN_INLINE_ADD_U64, entry, 1);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        uint32_t data = 0;
        unsigned found;

        qemu_plugin_insn_data(insn, &data, sizeof(data));
        data = GUINT32_FROM_LE(data);
        found = decode(data);
        count(insn, INSNS);
        for (int what = ATOMICS; what < NR_COUNTS; what++) {
            if (found & class_of[what]) {
                count(insn, what);
            }
        }
        if (found & INSN_ZERO_LINE) {
            qemu_plugin_register_vcpu_insn_exec_cb(
                insn, line_zeroed, QEMU_PLUGIN_CB_R_REGS,
                (void *)(uintptr_t)(data & 31));
        }
        qemu_plugin_register_vcpu_mem_cb(insn, memory_accessed,
                                         QEMU_PLUGIN_CB_NO_REGS,
                                         QEMU_PLUGIN_MEM_RW, NULL);
    }
}

static void find_registers(qemu_plugin_id_t id, unsigned int cpu)
{
    g_autoptr(GArray) regs = qemu_plugin_get_registers();

    for (guint i = 0; i < regs->len; i++) {
        qemu_plugin_reg_descriptor *reg =
            &g_array_index(regs, qemu_plugin_reg_descriptor, i);
        unsigned n;
        char end;

        if (sscanf(reg->name, "x%u%c", &n, &end) == 1 &&
            n < G_N_ELEMENTS(xregs)) {
            xregs[n] = reg->handle;
        }
    }
}

static void leave(qemu_plugin_id_t id, void *udata)
{
    fclose(out);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
                                           const qemu_info_t *info,
                                           int argc, char **argv)
{
    if (argc != 1 || !g_str_has_prefix(argv[0], "out=")) {
        fprintf(stderr, "footprint: the only argument is out=FILE\n");
        return -1;
    }
    if (strcmp(info->target_name, "aarch64") || !info->system_emulation ||
        info->system.smp_vcpus != 1) {
        fprintf(stderr, "footprint: for a guest with one aarch64 CPU\n");
        return -1;
    }
    out = fopen(argv[0] + strlen("out="), "w");
    if (!out) {
        perror(argv[0]);
        return -1;
    }
    board = qemu_plugin_scoreboard_new(sizeof(Counts));
    lines = g_hash_table_new(NULL, NULL);
    value = g_byte_array_new();
    qemu_plugin_register_vcpu_init_cb(id, find_registers);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, leave, NULL);
    return 0;
}
