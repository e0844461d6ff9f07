/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest for ATS: what the virt machine tells its guest, and two SMMUs
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "ats-testdev-cases.h"

#define FW_CFG_BASE     0x09020000
#define FDT_BASE        0x40000000      /* where virt puts it: start of RAM */

#define SID_PORT        0x30            /* 00:06.0, a root port */
#define SID_BEHIND      0x100           /* 01:00.0, behind it */

#define TWO_SMMUS       "-machine smmu2-rid=0x18 " \
                        "-device pcie-root-port,id=rp,addr=6.0,chassis=1 "

static char *fdt_get(ATSBench *t, uint32_t *size)
{
    char *fdt;

    g_assert_cmphex(qtest_readl(t->qts, FDT_BASE), ==, 0xedfe0dd0);
    *size = __builtin_bswap32(qtest_readl(t->qts, FDT_BASE + 4));
    fdt = g_malloc(*size);
    qtest_memread(t->qts, FDT_BASE, fdt, *size);
    return fdt;
}

static bool fdt_has_bytes(ATSBench *t, const void *bytes, size_t len)
{
    uint32_t size;
    g_autofree char *fdt = fdt_get(t, &size);

    return memmem(fdt, size, bytes, len);
}

static bool fdt_has(ATSBench *t, const char *name)
{
    return fdt_has_bytes(t, name, strlen(name) + 1);
}

/* The phandle of the SMMU at @base: QEMU writes new properties in front */
static uint32_t fdt_phandle(ATSBench *t, uint64_t base)
{
    g_autofree char *name = g_strdup_printf("smmuv3@%" PRIx64, base);
    uint32_t size;
    g_autofree char *fdt = fdt_get(t, &size);
    char *node = memmem(fdt, size, name, strlen(name) + 1);

    g_assert_nonnull(node);
    node += QEMU_ALIGN_UP(strlen(name) + 1, 4);
    /* FDT_PROP, 4 bytes, offset of its name */
    g_assert_cmphex(ldl_be_p(node), ==, 3);
    g_assert_cmphex(ldl_be_p(node + 4), ==, 4);
    return ldl_be_p(node + 12);
}

/*
 * One file of fw_cfg, by its wide MMIO interface: big-endian selector at 8,
 * data at 0. libqos' mm_fw_cfg_init() knows another layout only.
 */
static void fw_cfg_select(ATSBench *t, uint16_t key)
{
    qtest_writew(t->qts, FW_CFG_BASE + 8, bswap16(key));
}

static void fw_cfg_read(ATSBench *t, void *buf, size_t size)
{
    uint8_t *p = buf;

    /* The data register keeps the order of bytes, whatever the width */
    for (; size >= 8; size -= 8, p += 8) {
        stq_le_p(p, qtest_readq(t->qts, FW_CFG_BASE));
    }
    while (size--) {
        *p++ = qtest_readb(t->qts, FW_CFG_BASE);
    }
}

/* The first @max bytes at most: the rest of the ACPI tables is padding */
static uint8_t *fw_cfg_file(ATSBench *t, const char *name, uint32_t *size,
                            uint32_t max)
{
    struct QEMU_PACKED {
        uint32_t size;
        uint16_t select;
        uint16_t reserved;
        char name[56];
    } file;
    uint32_t count;
    uint8_t *data;

    fw_cfg_select(t, 0x19);
    fw_cfg_read(t, &count, sizeof(count));
    for (count = be32_to_cpu(count); count; count--) {
        fw_cfg_read(t, &file, sizeof(file));
        if (!strcmp(file.name, name)) {
            *size = MIN(be32_to_cpu(file.size), max);
            data = g_malloc(*size);
            fw_cfg_select(t, be16_to_cpu(file.select));
            fw_cfg_read(t, data, *size);
            return data;
        }
    }
    g_assert_not_reached();
}

/* The IORT (ARM DEN 0049E) and, in it, the root complex node */
typedef struct {
    uint8_t *tables;
    uint8_t *table;
    uint8_t *rc;
} IORT;

static IORT iort_get(ATSBench *t)
{
    IORT iort;
    uint32_t size;

    iort.tables = fw_cfg_file(t, "etc/acpi/tables", &size, 32 * KiB);
    iort.table = memmem(iort.tables, size, "IORT", 4);
    g_assert_nonnull(iort.table);
    iort.rc = iort.table + ldl_le_p(iort.table + 40);
    for (uint32_t n = ldl_le_p(iort.table + 36); iort.rc[0] != 2; n--) {
        g_assert_cmpuint(n, >, 1);
        iort.rc += lduw_le_p(iort.rc + 1);
    }
    return iort;
}

static uint32_t iort_ats_attribute(ATSBench *t)
{
    IORT iort = iort_get(t);
    uint32_t attribute = ldl_le_p(iort.rc + 24);

    g_free(iort.tables);
    return attribute;
}

/* The base address of the SMMU to which the root complex maps @rid, 0: none */
static uint64_t iort_smmu_of(ATSBench *t, uint32_t rid)
{
    IORT iort = iort_get(t);
    uint8_t *map = iort.rc + ldl_le_p(iort.rc + 12);
    uint64_t base = 0;

    for (uint32_t n = ldl_le_p(iort.rc + 8); n; n--, map += 20) {
        uint32_t first = ldl_le_p(map);
        uint8_t *node = iort.table + ldl_le_p(map + 12);

        /* The count of a mapping is one less than it has IDs */
        if (rid >= first && rid - first <= ldl_le_p(map + 4) && node[0] == 4) {
            g_assert_cmphex(base, ==, 0);
            g_assert_cmphex(ldl_le_p(map + 8), ==, first);
            base = ldq_le_p(node + 16);
        }
    }
    g_free(iort.tables);
    return base;
}

static void test_firmware(ATSBench *t)
{
    g_assert_true(fdt_has(t, "ats-supported"));
    g_assert_cmphex(iort_ats_attribute(t), ==, 1);
}

static void test_firmware_without_ats(ATSBench *t)
{
    g_assert_false(fdt_has(t, "ats-supported"));
    g_assert_cmphex(iort_ats_attribute(t), ==, 0);
}

/* Behind the root port: bus 1, and a window for the BARs there */
static void setup_port(ATSBench *t)
{
    atd_cfg_writel(t, SID_PORT, PCI_PRIMARY_BUS, 0x010100);
    atd_cfg_writel(t, SID_PORT, PCI_MEMORY_BASE, 0x10101010);
    atd_cfg_writew(t, SID_PORT, PCI_COMMAND,
                   PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* One host bridge, two SMMUs: each has its queues, faults and functions */
static void test_two_smmus(ATSBench *t)
{
    ATSBench second = ats_bench_second_smmu(t), *u = &second;

    g_assert_true(smmu_readl(u, IDR0) & IDR0_ATS);
    smmu_restart(u, CR0_ALL, 6);
    smmu_set_ste(u, SID_B, 1);
    smmu_setup_stream(u, SID_BEHIND);
    atd_enable(u, SID_BEHIND);

    /* Each function finds its STE in its own table */
    expect_fill(t, SID_A, 0, 1, ATD_OK);
    expect_fill(u, SID_B, 1, 1, ATD_OK);
    expect_fill(u, SID_BEHIND, 2, 1, ATD_OK);
    expect_write(u, SID_B, ATD_ATTR_ATC, PAGE(1), 0x11, ATD_OK);
    expect_page(t, 1, 0x11);
    expect_events(u, 0);
    expect_fault(u, SID_NO_ATS, ATD_ATTR_UNTRANSLATED, 0, EVT_C_BAD_STE);
    expect_events(t, 0);

    /* A CMD_ATC_INV does not reach what is behind the other SMMU */
    expect_answered(t, SID_B, 0, SIZE_ALL);
    expect_counter(u, SID_B, ATD_INV_RECEIVED, 0);

    /* A function that stops one queue does not stop the other */
    atd_set_mode(u, SID_B, ATD_INV_NEVER, 0);
    smmu_push_atc_inv(u, SID_B, 0, SIZE_ALL);
    smmu_invalidate(u, SID_BEHIND, 0, SIZE_ALL);
    expect_waiting(u, 2);
    expect_answered(t, SID_A, 0, SIZE_ALL);
    expect_entries(t, SID_A, 0);
    expect_entries(u, SID_BEHIND, 0);
    ats_bench_step(t, T);
    g_assert_false(smmu_active(t, GERROR_CMDQ));
    expect_sync_error(u, 2);
    expect_recovery(u);
}

/* What the guest is told; the phandles are those of the machine */
static void test_two_smmus_firmware(ATSBench *t)
{
    const uint32_t map[8] = {
        0, cpu_to_be32(fdt_phandle(t, SMMU_BASE)), 0, cpu_to_be32(0x18),
        cpu_to_be32(0x18), cpu_to_be32(fdt_phandle(t, SMMU2_BASE)),
        cpu_to_be32(0x18), cpu_to_be32(0x10000 - 0x18),
    };

    g_assert_true(fdt_has_bytes(t, map, sizeof(map)));
    g_assert_cmphex(iort_smmu_of(t, SID_A), ==, SMMU_BASE);
    g_assert_cmphex(iort_smmu_of(t, SID_B), ==, SMMU2_BASE);
    g_assert_cmphex(iort_smmu_of(t, 0x17), ==, SMMU_BASE);
    g_assert_cmphex(iort_smmu_of(t, SID_BEHIND), ==, SMMU2_BASE);
}

static void test_one_smmu_firmware(ATSBench *t)
{
    g_assert_cmphex(iort_smmu_of(t, SID_A), ==, SMMU_BASE);
    g_assert_cmphex(iort_smmu_of(t, SID_B), ==, SMMU_BASE);
    g_assert_false(fdt_has(t, "smmuv3@90e0000"));
}

const ATSCase ats_machine_cases[] = {
    { "/ats/machine/firmware", test_firmware },
    { "/ats/machine/firmware-without-ats", test_firmware_without_ats,
      "-global arm-smmuv3.ats=off" },
    { "/ats/machine/two-smmus", test_two_smmus,
      TWO_SMMUS "-device ats-testdev,bus=rp,id=e", setup_port },
    { "/ats/machine/two-smmus-firmware", test_two_smmus_firmware,
      TWO_SMMUS, setup_port },
    { "/ats/machine/one-smmu-firmware", test_one_smmu_firmware },
    { }
};
