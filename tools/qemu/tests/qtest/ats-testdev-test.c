/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest for ATS in the SMMUv3 model and for ats-testdev
 *
 * Every state that the command queue can be in while a CMD_SYNC waits for
 * Invalidate Completions, the checks of Translated transactions and Translation
 * Requests, PASIDs, two SMMUs, and the endpoint's own registers. There is no
 * guest CPU: each test
 * writes the SMMU's tables and queues itself and moves the virtual clock.
 * Section numbers are those of Arm IHI 0070.
 *
 * What this does not test: any driver.
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "libqtest.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/pci_regs.h"
#include "hw/misc/ats-testdev-regs.h"

#define SMMU_BASE       0x09050000
#define SMMU2_BASE      0x090e0000
#define FW_CFG_BASE     0x09020000
#define FDT_BASE        0x40000000      /* where virt puts it: start of RAM */
#define ECAM_BASE       0x3f000000      /* with highmem=off */
#define BAR_BASE        0x10000000

/* Where the tests keep what the SMMU reads and writes */
#define CMDQ            0x41000000
#define EVTQ            0x41100000
#define STRTAB          0x41200000
#define CDS             0x41300000
#define PT_L1           0x41400000
#define PT_L2           0x41401000
#define PT_L3           0x41402000
#define PASID_PT        0x41410000      /* three pages: L1, L2, L3 */
#define S2_L1           0x41420000
#define MSI_DOORBELL    0x41500000
#define CDTAB           0x41600000      /* linear CDs, or L1CDs */
#define CDTAB_L2        0x41610000
#define CMDQ_2          0x41700000      /* of the second SMMU */
#define EVTQ_2          0x41800000
#define STRTAB_2        0x41900000
#define PAGES           0x42000000      /* the page that IOVA n is mapped to */

#define CMDQ_LOG2       8
#define STRTAB_LOG2     9

#define IDR0            0x00
#define   IDR0_ATS        BIT(10)
#define   IDR0_MSI        BIT(13)
#define   IDR0_CD2L       BIT(19)
#define IDR1            0x04
#define   IDR1_SSIDSIZE(x) extract32(x, 6, 5)
#define IDR3            0x0c
#define   IDR3_FWB        BIT(8)
#define CR0             0x20
#define CR0ACK          0x24
#define   CR0_SMMUEN      BIT(0)
#define   CR0_EVENTQEN    BIT(2)
#define   CR0_CMDQEN      BIT(3)
#define   CR0_ATSCHK      BIT(4)
#define   CR0_ALL         (CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN | CR0_ATSCHK)
#define GERROR          0x60
#define   GERROR_CMDQ     BIT(0)
#define   GERROR_EVTQ_ABT BIT(2)
#define GERRORN         0x64
#define IRQ_CTRL        0x50
#define GERROR_IRQ_CFG0 0x68
#define GERROR_IRQ_CFG1 0x70
#define STRTAB_BASE     0x80
#define STRTAB_BASE_CFG 0x88
#define CMDQ_BASE       0x90
#define CMDQ_PROD       0x98
#define CMDQ_CONS       0x9c
#define EVENTQ_BASE     0xa0
#define EVENTQ_PROD     0xa8
#define EVENTQ_CONS     0xac

#define CERROR_NONE     0
#define CERROR_ILL      1
#define CERROR_ATC_INV_SYNC 3

#define OP_CFGI_STE     0x03
#define OP_CFGI_CD      0x05
#define OP_CFGI_CD_ALL  0x06
#define OP_TLBI_NH_ASID 0x11
#define OP_TLBI_NSNH    0x30
#define OP_ATC_INV      0x40
#define OP_SYNC         0x46
#define OP_ILLEGAL      0xff
#define SIZE_ALL        52

#define EVT_C_BAD_STE           0x04
#define EVT_F_BAD_ATS_TREQ      0x05
#define EVT_F_STREAM_DISABLED   0x06
#define EVT_F_TRANSL_FORBIDDEN  0x07
#define EVT_C_BAD_SUBSTREAMID   0x08
#define EVT_C_BAD_CD            0x0a
#define EVT_F_TRANSLATION       0x10

#define PTE_RW          (0x3 | 1 << 6 | 1 << 10)
#define PTE_RO          (PTE_RW | 1 << 7)

#define US              1000LL
#define T_US            1000            /* atc-inv-timeout-us */
#define T               (T_US * US)

/* Functions of the tests: 00:02.0 and 00:03.0, 00:04.0 has no ATS */
#define SID_A           0x10
#define SID_B           0x18
#define SID_NO_ATS      0x20
#define SID_P           0x28            /* where the tests of PASIDs have one */
#define SID_NOBODY      0x80

/* One SMMU, and what it is given in memory */
typedef struct {
    QTestState *qts;
    uint64_t smmu;
    uint64_t cmdq;
    uint64_t evtq;
    uint64_t strtab;
    uint32_t prod;
} Bench;

static void smmu_writel(Bench *t, uint32_t reg, uint32_t val)
{
    qtest_writel(t->qts, t->smmu + reg, val);
}

static uint32_t smmu_readl(Bench *t, uint32_t reg)
{
    return qtest_readl(t->qts, t->smmu + reg);
}

static uint64_t cfg_addr(uint32_t sid, uint32_t reg)
{
    return ECAM_BASE + (sid << 12) + reg;
}

static uint64_t bar(uint32_t sid)
{
    return BAR_BASE + sid * ATD_BAR_SIZE;
}

static void dev_writel(Bench *t, uint32_t sid, uint32_t reg, uint32_t val)
{
    qtest_writel(t->qts, bar(sid) + reg, val);
}

static void dev_writeq(Bench *t, uint32_t sid, uint32_t reg, uint64_t val)
{
    qtest_writeq(t->qts, bar(sid) + reg, val);
}

static uint32_t dev_readl(Bench *t, uint32_t sid, uint32_t reg)
{
    return qtest_readl(t->qts, bar(sid) + reg);
}

static uint64_t dev_readq(Bench *t, uint32_t sid, uint32_t reg)
{
    return qtest_readq(t->qts, bar(sid) + reg);
}

/* Offset of an extended capability, 0 if there is none */
static uint32_t ext_cap(Bench *t, uint32_t sid, uint16_t id)
{
    uint32_t pos = PCI_CFG_SPACE_SIZE;

    while (pos) {
        uint32_t header = qtest_readl(t->qts, cfg_addr(sid, pos));

        if (header && PCI_EXT_CAP_ID(header) == id) {
            return pos;
        }
        pos = header ? PCI_EXT_CAP_NEXT(header) : 0;
    }
    return 0;
}

static uint32_t cap(Bench *t, uint32_t sid, uint8_t id)
{
    uint8_t pos = qtest_readb(t->qts, cfg_addr(sid, PCI_CAPABILITY_LIST));

    while (pos && qtest_readb(t->qts, cfg_addr(sid, pos)) != id) {
        pos = qtest_readb(t->qts, cfg_addr(sid, pos + 1));
    }
    return pos;
}

static void dev_enable(Bench *t, uint32_t sid)
{
    uint32_t ats = ext_cap(t, sid, PCI_EXT_CAP_ID_ATS);
    uint32_t pasid = ext_cap(t, sid, PCI_EXT_CAP_ID_PASID);

    qtest_writel(t->qts, cfg_addr(sid, PCI_BASE_ADDRESS_0), bar(sid));
    qtest_writew(t->qts, cfg_addr(sid, PCI_COMMAND),
                 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    if (pasid) {
        qtest_writew(t->qts, cfg_addr(sid, pasid + PCI_PASID_CTRL),
                     PCI_PASID_CTRL_ENABLE);
    }
    if (ats) {
        qtest_writew(t->qts, cfg_addr(sid, ats + PCI_ATS_CTRL),
                     PCI_ATS_CTRL_ENABLE);
    }
    g_assert_cmphex(dev_readl(t, sid, ATD_ID), ==, ATD_ID_MAGIC);
}

/* Write the STE; the SMMU may still use what it has cached */
static void set_ste(Bench *t, uint32_t sid, uint32_t eats)
{
    uint64_t ste = t->strtab + sid * 64;
    uint64_t cd = CDS + sid * 64;

    qtest_writeq(t->qts, ste, cd | 5 << 1 | 1);
    qtest_writeq(t->qts, ste + 8, (uint64_t)eats << 28);
}

/* All streams share one address space; IOVA page n maps page n of PAGES */
static void map(Bench *t, unsigned int page, uint64_t pte_bits)
{
    qtest_writeq(t->qts, PT_L3 + page * 8,
                 pte_bits ? (PAGES + page * 4096) | pte_bits : 0);
}

static uint64_t page_read(Bench *t, unsigned int page)
{
    return qtest_readq(t->qts, PAGES + page * 4096);
}

static void set_cd(Bench *t, uint64_t cd, uint64_t ttb, unsigned int asid)
{
    /* T0SZ = 25, 4 KiB granule, EPD1, V; IPS = 44 bits, AA64, R, A */
    qtest_writel(t->qts, cd, 25 | 1u << 30 | 1u << 31);
    qtest_writel(t->qts, cd + 4, 4 | 1 << 9 | 1 << 13 | 1 << 14 | asid << 16);
    qtest_writeq(t->qts, cd + 8, ttb);
}

static void setup_stream(Bench *t, uint32_t sid)
{
    set_cd(t, CDS + sid * 64, PT_L1, 1);
    set_ste(t, sid, 1);
}

static void smmu_enable(Bench *t, uint32_t cr0, unsigned int evtq_log2)
{
    qtest_writeq(t->qts, t->smmu + STRTAB_BASE, t->strtab);
    smmu_writel(t, STRTAB_BASE_CFG, STRTAB_LOG2);
    qtest_writeq(t->qts, t->smmu + CMDQ_BASE, t->cmdq | CMDQ_LOG2);
    smmu_writel(t, CMDQ_PROD, 0);
    smmu_writel(t, CMDQ_CONS, 0);
    qtest_writeq(t->qts, t->smmu + EVENTQ_BASE, t->evtq | evtq_log2);
    smmu_writel(t, EVENTQ_PROD, 0);
    smmu_writel(t, EVENTQ_CONS, 0);
    t->prod = 0;
    smmu_writel(t, CR0, cr0);
}

static void bench_setup(Bench *t, uint32_t cr0, unsigned int evtq_log2)
{
    qtest_writeq(t->qts, PT_L1, PT_L2 | 3);
    qtest_writeq(t->qts, PT_L2, PT_L3 | 3);
    for (int i = 0; i < 64; i++) {
        map(t, i, PTE_RW);
    }
    setup_stream(t, SID_A);
    setup_stream(t, SID_B);
    setup_stream(t, SID_NO_ATS);
    smmu_enable(t, cr0, evtq_log2);
    dev_enable(t, SID_A);
    dev_enable(t, SID_B);
    dev_enable(t, SID_NO_ATS);
}

static Bench bench_start(const char *extra)
{
    Bench t = {
        .smmu = SMMU_BASE, .cmdq = CMDQ, .evtq = EVTQ, .strtab = STRTAB,
    };

    t.qts = qtest_initf(
        "-M virt,gic-version=3,iommu=smmuv3,highmem=off -nodefaults "
        "-global arm-smmuv3.ats=on "
        "-global arm-smmuv3.atc-inv-timeout-us=%u "
        "-device ats-testdev,id=a,addr=2.0 "
        "-device ats-testdev,id=b,addr=3.0 "
        "-device ats-testdev,id=c,addr=4.0,ats=off %s", T_US, extra);
    bench_setup(&t, CR0_ALL, 6);
    return t;
}

static void bench_end(Bench *t)
{
    qtest_quit(t->qts);
}

/* Put a command into the queue; ring() shows it to the SMMU */
static void push(Bench *t, uint64_t dw0, uint64_t dw1)
{
    uint64_t entry = t->cmdq + (t->prod & (BIT(CMDQ_LOG2) - 1)) * 16;

    qtest_writeq(t->qts, entry, dw0);
    qtest_writeq(t->qts, entry + 8, dw1);
    t->prod = (t->prod + 1) & (BIT(CMDQ_LOG2 + 1) - 1);
}

static void push_atc_inv(Bench *t, uint32_t sid, uint64_t addr,
                         unsigned int size)
{
    push(t, OP_ATC_INV | (uint64_t)sid << 32, addr | size);
}

static void push_sync(Bench *t)
{
    push(t, OP_SYNC, 0);
}

static void push_cfgi_ste(Bench *t, uint32_t sid)
{
    push(t, OP_CFGI_STE | (uint64_t)sid << 32, 1);
}

static void ring(Bench *t)
{
    smmu_writel(t, CMDQ_PROD, t->prod);
}

static void step(Bench *t, int64_t ns)
{
    qtest_clock_step(t->qts, ns);
}

static bool active(Bench *t, uint32_t bit)
{
    return (smmu_readl(t, GERROR) ^ smmu_readl(t, GERRORN)) & bit;
}

static void acknowledge(Bench *t, uint32_t bit)
{
    smmu_writel(t, GERRORN, smmu_readl(t, GERRORN) ^ bit);
}

/* The queue stands, without error, with its head at command @n */
#define expect_waiting(t, n) do {                                           \
        g_assert_cmpuint(smmu_readl(t, CMDQ_CONS) & 0xfffff, ==, n);        \
        g_assert_false(active(t, GERROR_CMDQ));                             \
    } while (0)

#define expect_done(t) expect_waiting(t, (t)->prod)

/* The queue stands at command @n, which has raised @err */
#define expect_error(t, n, err) do {                                        \
        g_assert_cmpuint(smmu_readl(t, CMDQ_CONS) & 0xfffff, ==, n);        \
        g_assert_true(active(t, GERROR_CMDQ));                              \
        g_assert_cmphex(smmu_readl(t, CMDQ_CONS) >> 24 & 0x7f, ==, err);    \
    } while (0)

static uint32_t events(Bench *t)
{
    return smmu_readl(t, EVENTQ_PROD);
}

#define expect_event(t, n, type, sid) do {                                  \
        uint64_t evt = (t)->evtq + (n) * 32;                                \
        g_assert_cmphex(qtest_readb((t)->qts, evt), ==, type);              \
        g_assert_cmphex(qtest_readl((t)->qts, evt + 4), ==, sid);           \
    } while (0)

static void set_mode(Bench *t, uint32_t sid, uint32_t mode, uint32_t arg)
{
    dev_writel(t, sid, ATD_INV_MODE, mode);
    dev_writel(t, sid, ATD_INV_ARG, arg);
}

static uint32_t dev_cmd(Bench *t, uint32_t sid, uint32_t cmd)
{
    dev_writel(t, sid, ATD_CMD, cmd);
    return dev_readl(t, sid, ATD_RESULT);
}

static uint32_t fill(Bench *t, uint32_t sid, unsigned int page,
                     unsigned int pages)
{
    dev_writeq(t, sid, ATD_ADDR, page * 4096);
    dev_writeq(t, sid, ATD_LEN, pages * 4096);
    return dev_cmd(t, sid, ATD_CMD_ATC_FILL);
}

static uint32_t dma_write(Bench *t, uint32_t sid, uint32_t attr, uint64_t addr,
                          uint64_t data)
{
    dev_writeq(t, sid, ATD_ADDR, addr);
    dev_writeq(t, sid, ATD_DATA, data);
    dev_writel(t, sid, ATD_ATTR, attr);
    return dev_cmd(t, sid, ATD_CMD_WRITE);
}

/*
 * The states of the queue
 */

static void test_answered(void)
{
    Bench t = bench_start("");

    g_assert_true(smmu_readl(&t, IDR0) & IDR0_ATS);
    g_assert_cmpuint(fill(&t, SID_A, 0, 8), ==, ATD_OK);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_ENTRIES), ==, 8);

    /* Two pages, then the rest */
    push_atc_inv(&t, SID_A, 2 * 4096, 1);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_ENTRIES), ==, 6);
    push_atc_inv(&t, SID_A, 0, SIZE_ALL);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_ENTRIES), ==, 0);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_INV_RECEIVED), ==, 2);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_INV_ANSWERED), ==, 2);

    step(&t, 10 * T);
    expect_done(&t);
    bench_end(&t);
}

/* The CMD_SYNC waits, commands behind it do not begin, and all goes on */
static void test_late(void)
{
    Bench t = bench_start("");

    g_assert_cmpuint(fill(&t, SID_A, 0, 1), ==, ATD_OK);
    set_mode(&t, SID_A, ATD_INV_LATE, 600);
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    push_atc_inv(&t, SID_B, 0, 0);
    push_sync(&t);
    ring(&t);
    expect_waiting(&t, 1);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_INV_PENDING), ==, 1);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_ENTRIES), ==, 1);
    /* It was fetched; its place in memory does not matter any more */
    qtest_writeq(t.qts, CMDQ + 16, OP_ILLEGAL);
    ring(&t);
    expect_waiting(&t, 1);
    step(&t, 600 * US - 1);
    expect_waiting(&t, 1);
    g_assert_cmpuint(dev_readq(&t, SID_B, ATD_INV_RECEIVED), ==, 0);
    step(&t, 1);
    expect_done(&t);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_INV_PENDING), ==, 0);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_ENTRIES), ==, 0);
    g_assert_cmpuint(dev_readq(&t, SID_B, ATD_INV_RECEIVED), ==, 1);

    /* The next wait has the whole timeout, not the rest of this one */
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    ring(&t);
    step(&t, 599 * US);
    expect_waiting(&t, 5);
    step(&t, 1 * US);
    expect_done(&t);
    bench_end(&t);
}

/* 4.7.3 and 7.1, word by word */
static void test_never(void)
{
    Bench t = bench_start("");

    set_mode(&t, SID_A, ATD_INV_NEVER, 0);
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    push_atc_inv(&t, SID_B, 0, 0);
    push_sync(&t);
    ring(&t);
    step(&t, T - 1);
    expect_waiting(&t, 1);
    step(&t, 1);
    expect_error(&t, 1, CERROR_ATC_INV_SYNC);

    /* Nothing is consumed while the error is active, whatever is rung */
    push_atc_inv(&t, SID_B, 0, 0);
    push_sync(&t);
    ring(&t);
    step(&t, 5 * T);
    expect_error(&t, 1, CERROR_ATC_INV_SYNC);
    g_assert_cmpuint(dev_readq(&t, SID_B, ATD_INV_RECEIVED), ==, 0);

    /* The acknowledge alone resumes, and the CMD_SYNC is fetched again */
    acknowledge(&t, GERROR_CMDQ);
    expect_done(&t);
    g_assert_cmpuint(dev_readq(&t, SID_B, ATD_INV_RECEIVED), ==, 2);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_INV_IGNORED), ==, 1);
    bench_end(&t);
}

/* What software put in place of the CMD_SYNC is what is fetched on resume */
static void test_refetch(void)
{
    Bench t = bench_start("");

    set_mode(&t, SID_A, ATD_INV_NEVER, 0);
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    ring(&t);
    step(&t, T);
    expect_error(&t, 1, CERROR_ATC_INV_SYNC);
    qtest_writeq(t.qts, CMDQ + 16, OP_ATC_INV | (uint64_t)SID_B << 32);
    acknowledge(&t, GERROR_CMDQ);
    expect_done(&t);
    g_assert_cmpuint(dev_readq(&t, SID_B, ATD_INV_RECEIVED), ==, 1);
    bench_end(&t);
}

/* An answer to a request that was given up completes no other */
static void test_dropped(void)
{
    Bench t = bench_start("");

    set_mode(&t, SID_A, ATD_INV_LATE, 3 * T_US);
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    ring(&t);
    step(&t, T);
    expect_error(&t, 1, CERROR_ATC_INV_SYNC);
    acknowledge(&t, GERROR_CMDQ);
    expect_done(&t);

    step(&t, T + T / 2);
    set_mode(&t, SID_A, ATD_INV_NEVER, 0);
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    ring(&t);
    expect_waiting(&t, 3);
    step(&t, T / 2);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_INV_ANSWERED), ==, 1);
    expect_waiting(&t, 3);
    step(&t, T / 2);
    expect_error(&t, 3, CERROR_ATC_INV_SYNC);

    /* Also while the error is active */
    acknowledge(&t, GERROR_CMDQ);
    set_mode(&t, SID_A, ATD_INV_LATE, T_US + 1);
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    ring(&t);
    step(&t, T);
    expect_error(&t, 5, CERROR_ATC_INV_SYNC);
    step(&t, T);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_INV_ANSWERED), ==, 2);
    expect_error(&t, 5, CERROR_ATC_INV_SYNC);
    acknowledge(&t, GERROR_CMDQ);
    expect_done(&t);
    bench_end(&t);
}

static void test_sticky(void)
{
    Bench t = bench_start("-global arm-smmuv3.atc-inv-sticky=2");

    set_mode(&t, SID_A, ATD_INV_NEVER, 0);
    for (int round = 0; round < 2; round++) {
        uint32_t sync = t.prod + 1;

        push_atc_inv(&t, SID_A, 0, 0);
        push_sync(&t);
        ring(&t);
        for (int i = 0; i < 3; i++) {
            step(&t, T - 1);
            expect_waiting(&t, sync);
            step(&t, 1);
            expect_error(&t, sync, CERROR_ATC_INV_SYNC);
            acknowledge(&t, GERROR_CMDQ);
        }
        expect_done(&t);
    }

    /* Only a timeout is sticky */
    push_atc_inv(&t, SID_B, 0, 0);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    bench_end(&t);
}

/* 3.9.1.4: incomplete for ever, and no error. A late answer in time helps. */
static void test_hang(void)
{
    Bench t = bench_start("-global arm-smmuv3.cmd-sync-hang=on");

    set_mode(&t, SID_A, ATD_INV_LATE, T_US - 1);
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    ring(&t);
    step(&t, T);
    expect_done(&t);

    set_mode(&t, SID_A, ATD_INV_LATE, T_US + 1);
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    push_atc_inv(&t, SID_B, 0, 0);
    ring(&t);
    step(&t, 200 * T);
    expect_waiting(&t, 3);
    /* Not even when a driver that gave up writes over it */
    qtest_writeq(t.qts, CMDQ + 3 * 16, OP_TLBI_NSNH);
    ring(&t);
    expect_waiting(&t, 3);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_INV_ANSWERED), ==, 2);
    g_assert_cmpuint(dev_readq(&t, SID_B, ATD_INV_RECEIVED), ==, 0);

    /* Disabling the queue is the way out */
    smmu_writel(&t, CR0, 0);
    smmu_enable(&t, CR0_ALL, 6);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    bench_end(&t);
}

/* Who relies on having stopped the SMMU has to look whether it has */
static void test_smmuen_stuck(void)
{
    Bench t = bench_start("-global arm-smmuv3.smmuen-stuck=on");

    g_assert_cmphex(smmu_readl(&t, CR0ACK), ==, CR0_ALL);
    smmu_writel(&t, CR0, 0);
    g_assert_cmphex(smmu_readl(&t, CR0ACK), ==, CR0_SMMUEN);
    bench_end(&t);
}

/* The error names nobody; a retry one by one finds the dead function */
static void test_one_dead_of_two(void)
{
    Bench t = bench_start("");

    g_assert_cmpuint(fill(&t, SID_A, 0, 4), ==, ATD_OK);
    g_assert_cmpuint(fill(&t, SID_B, 0, 4), ==, ATD_OK);
    set_mode(&t, SID_A, ATD_INV_NEVER, 0);
    push_atc_inv(&t, SID_A, 0, 2);
    push_atc_inv(&t, SID_B, 0, 2);
    push_sync(&t);
    ring(&t);
    g_assert_cmpuint(dev_readq(&t, SID_B, ATD_ATC_ENTRIES), ==, 0);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_ENTRIES), ==, 4);
    step(&t, T);
    expect_error(&t, 2, CERROR_ATC_INV_SYNC);
    acknowledge(&t, GERROR_CMDQ);
    expect_done(&t);

    push_atc_inv(&t, SID_B, 0, 2);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    push_atc_inv(&t, SID_A, 0, 2);
    push_sync(&t);
    ring(&t);
    step(&t, T);
    expect_error(&t, 6, CERROR_ATC_INV_SYNC);
    acknowledge(&t, GERROR_CMDQ);
    expect_done(&t);
    bench_end(&t);
}

/* "Outstanding" reaches back over other commands to whoever submitted it */
static void test_unsynced(void)
{
    Bench t = bench_start("");

    set_mode(&t, SID_A, ATD_INV_NEVER, 0);
    push_atc_inv(&t, SID_A, 0, 0);
    ring(&t);
    expect_done(&t);
    step(&t, 3 * T);
    expect_done(&t);

    push_atc_inv(&t, SID_B, 0, 0);
    push_sync(&t);
    ring(&t);
    /* The timeout runs from here */
    step(&t, T - 1);
    expect_waiting(&t, 2);
    step(&t, 1);
    expect_error(&t, 2, CERROR_ATC_INV_SYNC);
    bench_end(&t);
}

/* Errors side by side: GERROR has a bit for each and one for the queue */
static void test_other_error_pending(void)
{
    Bench t = bench_start("");

    /* One event fits, the second aborts */
    smmu_writel(&t, CR0, 0);
    smmu_enable(&t, CR0_ALL, 0);
    map(&t, 1, 0);
    for (int i = 0; i < 2; i++) {
        g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_UNTRANSLATED, 4096, 0),
                         ==, ATD_E_FAULT);
    }
    g_assert_true(active(&t, GERROR_EVTQ_ABT));

    set_mode(&t, SID_A, ATD_INV_NEVER, 0);
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    ring(&t);
    step(&t, T);
    expect_error(&t, 1, CERROR_ATC_INV_SYNC);
    g_assert_true(active(&t, GERROR_EVTQ_ABT));

    /* Acknowledging the other one does not resume the queue */
    acknowledge(&t, GERROR_EVTQ_ABT);
    expect_error(&t, 1, CERROR_ATC_INV_SYNC);
    acknowledge(&t, GERROR_CMDQ);
    expect_done(&t);

    /* An illegal command in front of the CMD_SYNC that would time out */
    push_atc_inv(&t, SID_A, 0, 0);
    push(&t, OP_ILLEGAL, 0);
    push_sync(&t);
    ring(&t);
    expect_error(&t, 3, CERROR_ILL);
    step(&t, 3 * T);
    expect_error(&t, 3, CERROR_ILL);
    qtest_writeq(t.qts, CMDQ + 3 * 16, OP_SYNC);
    acknowledge(&t, GERROR_CMDQ);
    expect_waiting(&t, 3);
    step(&t, T);
    expect_error(&t, 3, CERROR_ATC_INV_SYNC);
    acknowledge(&t, GERROR_CMDQ);
    expect_done(&t);
    bench_end(&t);
}

/*
 * The 33rd request of a function waits in the queue, for an answer or for T,
 * and what it waited for in vain is what the CMD_SYNC need not wait for again
 */
static void test_outstanding_limit(void)
{
    Bench t = bench_start("");

    set_mode(&t, SID_A, ATD_INV_LATE, 500);
    for (int i = 0; i < 32; i++) {
        push_atc_inv(&t, SID_A, i * 4096, 0);
    }
    ring(&t);
    expect_done(&t);
    /* Another function has a limit of its own */
    push_atc_inv(&t, SID_B, 0, 0);
    ring(&t);
    expect_done(&t);
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    ring(&t);
    expect_waiting(&t, 33);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_INV_PENDING), ==, 32);
    step(&t, 500 * US);
    expect_waiting(&t, 34);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_INV_PENDING), ==, 1);
    step(&t, 500 * US);
    expect_done(&t);

    /* Dead: T for the first 32, and nothing more for the others */
    set_mode(&t, SID_A, ATD_INV_NEVER, 0);
    for (int i = 0; i < 33; i++) {
        push_atc_inv(&t, SID_A, i * 4096, 0);
    }
    push_sync(&t);
    ring(&t);
    step(&t, T - 1);
    expect_waiting(&t, 35 + 32);
    step(&t, 1);
    expect_error(&t, 35 + 33, CERROR_ATC_INV_SYNC);
    acknowledge(&t, GERROR_CMDQ);
    expect_done(&t);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_INV_IGNORED), ==, 33);

    /* More than 64 wait for T once more */
    t.prod = 0;
    smmu_writel(&t, CR0, 0);
    smmu_enable(&t, CR0_ALL, 6);
    for (int i = 0; i < 65; i++) {
        push_atc_inv(&t, SID_A, i * 4096, 0);
    }
    push_sync(&t);
    ring(&t);
    expect_waiting(&t, 32);
    step(&t, T);
    expect_waiting(&t, 64);
    step(&t, T);
    expect_error(&t, 65, CERROR_ATC_INV_SYNC);
    acknowledge(&t, GERROR_CMDQ);
    expect_done(&t);

    /* A request that waited and was given up counts, if all others answer */
    for (int i = 0; i < 32; i++) {
        push_atc_inv(&t, SID_A, i * 4096, 0);
    }
    ring(&t);
    set_mode(&t, SID_A, ATD_INV_ANSWER, 0);
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    ring(&t);
    step(&t, T);
    expect_error(&t, 66 + 33, CERROR_ATC_INV_SYNC);
    acknowledge(&t, GERROR_CMDQ);
    expect_done(&t);
    bench_end(&t);
}

/* 3.9.1.5: an Unsupported Request is a completion without error */
static void test_unsupported_request(void)
{
    Bench t = bench_start("");

    push_atc_inv(&t, SID_NO_ATS, 0, 0);
    push_atc_inv(&t, SID_NOBODY, 0, 0);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    g_assert_cmpuint(dev_readq(&t, SID_NO_ATS, ATD_INV_RECEIVED), ==, 0);
    bench_end(&t);
}

/* A function answers with ATSCtl.E = 0 as well */
static void test_answer_while_disabled(void)
{
    Bench t = bench_start("");
    uint32_t ats = ext_cap(&t, SID_A, PCI_EXT_CAP_ID_ATS);

    qtest_writew(t.qts, cfg_addr(SID_A, ats + PCI_ATS_CTRL), 0);
    g_assert_cmpuint(fill(&t, SID_A, 0, 1), ==, ATD_E_ATS_OFF);
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_INV_ANSWERED), ==, 1);
    bench_end(&t);
}

/* 4.5.1: ILLEGAL without ATS; ATS = off is the default */
static void test_smmu_without_ats(void)
{
    Bench t = bench_start("-global arm-smmuv3.ats=off");

    g_assert_false(smmu_readl(&t, IDR0) & (IDR0_ATS | IDR0_MSI));
    push_sync(&t);
    push_atc_inv(&t, SID_A, 0, 0);
    ring(&t);
    expect_error(&t, 1, CERROR_ILL);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_INV_RECEIVED), ==, 0);

    g_assert_cmpuint(fill(&t, SID_A, 0, 1), ==, ATD_E_DENIED);
    g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_RAW_TRANSLATED, PAGES, 1),
                     ==, ATD_E_FAULT);
    smmu_writel(&t, CR0, CR0_ALL & ~CR0_ATSCHK);
    g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_RAW_TRANSLATED, PAGES, 1),
                     ==, ATD_E_FAULT);
    /* EATS is IGNORED, a value that would be illegal as well */
    set_ste(&t, SID_B, 3);
    g_assert_cmpuint(dma_write(&t, SID_B, ATD_ATTR_UNTRANSLATED, 0, 1), ==,
                     ATD_OK);
    bench_end(&t);
}

/* 4.5.1: IGNORED when SMMUEN = 0 */
static void test_smmu_disabled(void)
{
    Bench t = bench_start("");

    smmu_writel(&t, CR0, CR0_CMDQEN);
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_INV_RECEIVED), ==, 0);
    bench_end(&t);
}

/*
 * A dead function stops the queue for everybody: a TLBI behind it has not
 * happened, and a neighbour without ATS still writes through the old entry.
 */
static void test_tlbi_behind_stuck_sync(void)
{
    Bench t = bench_start("");

    g_assert_cmpuint(dma_write(&t, SID_NO_ATS, ATD_ATTR_UNTRANSLATED,
                               5 * 4096, 0x11), ==, ATD_OK);
    g_assert_cmphex(page_read(&t, 5), ==, 0x11);
    map(&t, 5, 0);

    set_mode(&t, SID_A, ATD_INV_NEVER, 0);
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    push(&t, OP_TLBI_NSNH, 0);
    push_sync(&t);
    ring(&t);
    expect_waiting(&t, 1);
    g_assert_cmpuint(dma_write(&t, SID_NO_ATS, ATD_ATTR_UNTRANSLATED,
                               5 * 4096, 0x22), ==, ATD_OK);
    g_assert_cmphex(page_read(&t, 5), ==, 0x22);
    step(&t, T);
    expect_error(&t, 1, CERROR_ATC_INV_SYNC);
    g_assert_cmpuint(dma_write(&t, SID_NO_ATS, ATD_ATTR_UNTRANSLATED,
                               5 * 4096, 0x33), ==, ATD_OK);
    acknowledge(&t, GERROR_CMDQ);
    expect_done(&t);
    g_assert_cmpuint(dma_write(&t, SID_NO_ATS, ATD_ATTR_UNTRANSLATED,
                               5 * 4096, 0x44), ==, ATD_E_FAULT);
    g_assert_cmphex(page_read(&t, 5), ==, 0x33);
    expect_event(&t, 0, EVT_F_TRANSLATION, SID_NO_ATS);
    g_assert_cmpuint(events(&t), ==, 1);
    bench_end(&t);
}

/* A CMD_SYNC with an MSI writes when it completes, and not when it fails */
static void test_msi(void)
{
    Bench t = bench_start("-global arm-smmuv3.msi=on");
    const uint64_t sync = OP_SYNC | 1 << 12 | 0x5a5aULL << 32;

    g_assert_true(smmu_readl(&t, IDR0) & IDR0_MSI);
    push(&t, sync, MSI_DOORBELL);
    ring(&t);
    expect_done(&t);
    g_assert_cmphex(qtest_readl(t.qts, MSI_DOORBELL), ==, 0x5a5a);

    qtest_writel(t.qts, MSI_DOORBELL, ~0);
    set_mode(&t, SID_A, ATD_INV_NEVER, 0);
    push_atc_inv(&t, SID_A, 0, 0);
    push(&t, sync, MSI_DOORBELL);
    ring(&t);
    expect_waiting(&t, 2);
    qtest_writeq(t.qts, SMMU_BASE + GERROR_IRQ_CFG0, MSI_DOORBELL + 8);
    smmu_writel(&t, GERROR_IRQ_CFG1, 0xa5a5);
    smmu_writel(&t, IRQ_CTRL, 1);
    step(&t, T);
    expect_error(&t, 2, CERROR_ATC_INV_SYNC);
    g_assert_cmphex(qtest_readl(t.qts, MSI_DOORBELL), ==, UINT32_MAX);
    g_assert_cmphex(qtest_readl(t.qts, MSI_DOORBELL + 8), ==, 0xa5a5);
    acknowledge(&t, GERROR_CMDQ);
    expect_done(&t);
    g_assert_cmphex(qtest_readl(t.qts, MSI_DOORBELL), ==, 0x5a5a);
    bench_end(&t);
}

/*
 * Transactions
 */

/* The fence as a driver makes it: no effect before CMD_CFGI_STE */
static void test_translated(void)
{
    Bench t = bench_start("");

    g_assert_cmpuint(fill(&t, SID_A, 3, 1), ==, ATD_OK);
    dev_writeq(&t, SID_A, ATD_ADDR, 3 * 4096 + 8);
    g_assert_cmpuint(dev_cmd(&t, SID_A, ATD_CMD_ATC_LOOKUP), ==, ATD_OK);
    g_assert_cmphex(dev_readq(&t, SID_A, ATD_DATA), ==, PAGES + 3 * 4096 + 8);

    /* A Translated write needs no translation any more */
    map(&t, 3, 0);
    push(&t, OP_TLBI_NSNH, 0);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_ATC, 3 * 4096, 0x11), ==,
                     ATD_OK);
    g_assert_cmphex(page_read(&t, 3), ==, 0x11);

    set_ste(&t, SID_A, 0);
    g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_ATC, 3 * 4096, 0x22), ==,
                     ATD_OK);
    push_sync(&t);
    ring(&t);
    g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_ATC, 3 * 4096, 0x33), ==,
                     ATD_OK);
    g_assert_cmpuint(events(&t), ==, 0);

    push_cfgi_ste(&t, SID_A);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_ATC, 3 * 4096, 0x44), ==,
                     ATD_E_FAULT);
    g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_RAW_TRANSLATED,
                               PAGES + 3 * 4096, 0x55), ==, ATD_E_FAULT);
    g_assert_cmphex(page_read(&t, 3), ==, 0x33);
    /* One event a write, with the address that was on the bus */
    g_assert_cmpuint(events(&t), ==, 2);
    expect_event(&t, 0, EVT_F_TRANSL_FORBIDDEN, SID_A);
    g_assert_cmphex(qtest_readq(t.qts, EVTQ + 16), ==, PAGES + 3 * 4096);
    expect_event(&t, 1, EVT_F_TRANSL_FORBIDDEN, SID_A);

    /* The neighbour keeps ATS; untranslated DMA is not affected */
    g_assert_cmpuint(fill(&t, SID_B, 4, 1), ==, ATD_OK);
    g_assert_cmpuint(dma_write(&t, SID_B, ATD_ATTR_ATC, 4 * 4096, 0x66), ==,
                     ATD_OK);
    g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_UNTRANSLATED, 4 * 4096,
                               0x77), ==, ATD_OK);
    g_assert_cmphex(page_read(&t, 4), ==, 0x77);
    bench_end(&t);
}

/* 3.9.1.3 and 15.1: unchecked with ATSCHK = 0, forbidden on bypass */
static void test_translated_cr0(void)
{
    Bench t = bench_start("");

    set_ste(&t, SID_A, 0);
    smmu_writel(&t, CR0, CR0_ALL & ~CR0_ATSCHK);
    g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_RAW_TRANSLATED, PAGES, 0x11),
                     ==, ATD_OK);
    g_assert_cmphex(page_read(&t, 0), ==, 0x11);
    smmu_writel(&t, CR0, CR0_ALL);
    g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_RAW_TRANSLATED, PAGES, 0x22),
                     ==, ATD_E_FAULT);
    g_assert_cmpuint(events(&t), ==, 1);
    smmu_writel(&t, CR0, CR0_EVENTQEN | CR0_CMDQEN);
    g_assert_cmpuint(dma_write(&t, SID_B, ATD_ATTR_RAW_TRANSLATED, PAGES, 0x33),
                     ==, ATD_E_FAULT);
    g_assert_cmpuint(events(&t), ==, 2);
    expect_event(&t, 1, EVT_F_TRANSL_FORBIDDEN, SID_B);

    /* The same bits of a bypass STE are no permission: EATS is IGNORED */
    smmu_writel(&t, CR0, CR0_ALL);
    qtest_writeq(t.qts, STRTAB + SID_B * 64, 4 << 1 | 1);
    push_cfgi_ste(&t, SID_B);
    ring(&t);
    g_assert_cmpuint(dma_write(&t, SID_B, ATD_ATTR_RAW_TRANSLATED, PAGES, 0x44),
                     ==, ATD_E_FAULT);
    g_assert_cmpuint(events(&t), ==, 3);
    g_assert_cmphex(page_read(&t, 0), ==, 0x11);
    bench_end(&t);
}

/* IDR0.NS1ATS = 1: split-stage ATS is ILLEGAL; the fourth value means none */
static void test_bad_eats(void)
{
    Bench t = bench_start("");

    set_ste(&t, SID_A, 2);
    push_cfgi_ste(&t, SID_A);
    ring(&t);
    g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_UNTRANSLATED, 0, 1), ==,
                     ATD_E_FAULT);
    g_assert_cmpuint(events(&t), ==, 1);
    expect_event(&t, 0, EVT_C_BAD_STE, SID_A);
    /* An error of configuration is no event of ATS (IDR0.ATSRECERR = 0) */
    g_assert_cmpuint(fill(&t, SID_A, 0, 1), ==, ATD_E_DENIED);
    g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_RAW_TRANSLATED, PAGES, 1),
                     ==, ATD_E_FAULT);
    g_assert_cmpuint(events(&t), ==, 1);

    set_ste(&t, SID_A, 3);
    push_cfgi_ste(&t, SID_A);
    ring(&t);
    g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_UNTRANSLATED, 0, 1), ==,
                     ATD_OK);
    g_assert_cmpuint(fill(&t, SID_A, 0, 1), ==, ATD_E_DENIED);
    expect_event(&t, 1, EVT_F_BAD_ATS_TREQ, SID_A);
    bench_end(&t);
}

static void test_translation_request(void)
{
    Bench t = bench_start("");

    /* No translation, or no permission to write: no fault, so no event */
    map(&t, 6, 0);
    map(&t, 7, PTE_RO);
    g_assert_cmpuint(fill(&t, SID_A, 6, 1), ==, ATD_E_DENIED);
    g_assert_cmpuint(fill(&t, SID_A, 7, 1), ==, ATD_OK);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_ENTRIES), ==, 1);
    g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_ATC, 7 * 4096, 0x11), ==,
                     ATD_E_MISS);
    dev_writeq(&t, SID_A, ATD_ADDR, 7 * 4096);
    qtest_writeq(t.qts, PAGES + 7 * 4096, 0xabcd);
    g_assert_cmpuint(dev_cmd(&t, SID_A, ATD_CMD_READ), ==, ATD_OK);
    g_assert_cmphex(dev_readq(&t, SID_A, ATD_DATA), ==, 0xabcd);
    g_assert_cmpuint(events(&t), ==, 0);

    /* 3.9.1.2: a stream that may not use ATS */
    set_ste(&t, SID_A, 0);
    push_cfgi_ste(&t, SID_A);
    ring(&t);
    g_assert_cmpuint(fill(&t, SID_A, 8, 1), ==, ATD_E_DENIED);
    g_assert_cmpuint(events(&t), ==, 1);
    expect_event(&t, 0, EVT_F_BAD_ATS_TREQ, SID_A);
    g_assert_cmphex(qtest_readq(t.qts, EVTQ + 16), ==, 8 * 4096);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_FILLS), ==, 3);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_DENIED), ==, 2);
    bench_end(&t);
}

/*
 * Two stages, as a guest with an SMMU of its own has them: CD, tables and
 * output of stage 1 are at IPAs, and ATS gives the PA
 */
static void test_nested(void)
{
    const uint64_t ram = 0x40000000, ipa = 0x80000000, cd = CDS + SID_A * 64;
    const uint64_t ste = STRTAB + SID_A * 64;
    Bench t = bench_start("-global arm-smmuv3.fwb=on");

    g_assert_true(smmu_readl(&t, IDR3) & IDR3_FWB);
    /* Stage 2 maps 1 GiB: readable, writable, accessed, Normal by force */
    qtest_writeq(t.qts, S2_L1 + 2 * 8, ram | 0x6 << 2 | 3 << 6 | 1 << 10 | 1);
    /* A table of one page; IPA = PA - ram + ipa */
    set_cd(&t, cd, PT_L1 - ram + ipa, 1);
    qtest_writeq(t.qts, PT_L1, (PT_L2 - ram + ipa) | 3);
    qtest_writeq(t.qts, PT_L2, (PT_L3 - ram + ipa) | 3);
    qtest_writeq(t.qts, PT_L3 + 8, (PAGES + 4096 - ram + ipa) | PTE_RW);

    /* Config = S1 and S2, S2FWB, EATS; T0SZ = 25, from level 1, 4 KiB, R */
    qtest_writeq(t.qts, ste, (cd - ram + ipa) | 7 << 1 | 1);
    qtest_writeq(t.qts, ste + 8, 1 << 28 | 1 << 25);
    qtest_writel(t.qts, ste + 16, 1);
    qtest_writel(t.qts, ste + 20, 25 | 1 << 6 | 4 << 16 | 1 << 19 | 1 << 26);
    qtest_writeq(t.qts, ste + 24, S2_L1);
    push_cfgi_ste(&t, SID_A);
    push_sync(&t);
    ring(&t);
    expect_done(&t);

    g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_UNTRANSLATED, 4096, 0x11),
                     ==, ATD_OK);
    g_assert_cmphex(page_read(&t, 1), ==, 0x11);
    g_assert_cmpuint(fill(&t, SID_A, 1, 1), ==, ATD_OK);
    dev_writeq(&t, SID_A, ATD_ADDR, 4096);
    g_assert_cmpuint(dev_cmd(&t, SID_A, ATD_CMD_ATC_LOOKUP), ==, ATD_OK);
    g_assert_cmphex(dev_readq(&t, SID_A, ATD_DATA), ==, PAGES + 4096);
    g_assert_cmpuint(dma_write(&t, SID_A, ATD_ATTR_ATC, 4096, 0x22), ==,
                     ATD_OK);
    g_assert_cmphex(page_read(&t, 1), ==, 0x22);
    g_assert_cmpuint(events(&t), ==, 0);
    bench_end(&t);

    t = bench_start("");
    g_assert_false(smmu_readl(&t, IDR3) & IDR3_FWB);
    bench_end(&t);
}

/*
 * PASIDs
 */

#define PASID_STE(fmt, max) ((uint64_t)(max) << 59 | (fmt) << 4)
#define S1DSS_TERMINATE 0
#define S1DSS_BYPASS    1
#define S1DSS_SSID0     2

/* As set_ste(), with a table of 2^@max CDs at CDTAB */
static void set_pasid_ste(Bench *t, uint32_t sid, unsigned int fmt,
                          unsigned int max, unsigned int s1dss,
                          unsigned int eats)
{
    uint64_t ste = t->strtab + sid * 64;

    qtest_writeq(t->qts, ste, CDTAB | PASID_STE(fmt, max) | 5 << 1 | 1);
    qtest_writeq(t->qts, ste + 8, (uint64_t)eats << 28 | s1dss);
    push_cfgi_ste(t, sid);
    push_sync(t);
    ring(t);
    expect_done(t);
}

/* The second address space: IOVA page n maps page n + 32 of PAGES */
static void map_pasid(Bench *t, unsigned int page, uint64_t pte_bits)
{
    qtest_writeq(t->qts, PASID_PT + 0x2000 + page * 8,
                 pte_bits ? (PAGES + (page + 32) * 4096) | pte_bits : 0);
}

/*
 * Function 00:05.0 with a linear table of four CDs: 0 for requests without a
 * PASID, 1 for PASID 1 and the second address space; 2 and 3 are invalid.
 */
static Bench pasid_start(const char *extra)
{
    g_autofree char *args = g_strdup_printf(
        "-global arm-smmuv3.ssidsize=16 "
        "-device ats-testdev,id=p,addr=5.0,pasid-width=16 %s", extra);
    Bench t = bench_start(args);

    qtest_writeq(t.qts, PASID_PT, (PASID_PT + 0x1000) | 3);
    qtest_writeq(t.qts, PASID_PT + 0x1000, (PASID_PT + 0x2000) | 3);
    for (int i = 0; i < 32; i++) {
        map_pasid(&t, i, PTE_RW);
    }
    set_cd(&t, CDTAB, PT_L1, 1);
    set_cd(&t, CDTAB + 64, PASID_PT, 2);
    dev_enable(&t, SID_P);
    set_pasid_ste(&t, SID_P, 0, 2, S1DSS_SSID0, 1);
    return t;
}

static void set_pasid(Bench *t, uint32_t pasid)
{
    dev_writel(t, SID_P, ATD_PASID, ATD_PASID_VALID | pasid);
}

static void no_pasid(Bench *t)
{
    dev_writel(t, SID_P, ATD_PASID, 0);
}

static uint32_t pasid_write(Bench *t, uint32_t attr, unsigned int page,
                            uint64_t data)
{
    return dma_write(t, SID_P, attr, page * 4096, data);
}

static void push_pasid_inv(Bench *t, uint32_t pasid, bool global,
                           uint64_t addr, unsigned int size)
{
    push(t, OP_ATC_INV | global << 9 | 1 << 11 | pasid << 12 |
         (uint64_t)SID_P << 32, addr | size);
}

static void push_cfgi_cd(Bench *t, uint32_t pasid)
{
    push(t, OP_CFGI_CD | pasid << 12 | (uint64_t)SID_P << 32, 1);
    push_sync(t);
    ring(t);
    expect_done(t);
}

#define expect_ssid(t, n, ssv, ssid)                                        \
    g_assert_cmphex(qtest_readl((t)->qts, (t)->evtq + (n) * 32) >> 11, ==,  \
                    (ssv) | (ssid) << 1)

static void test_pasid_capability(void)
{
    Bench t = pasid_start("");
    uint32_t pasid = ext_cap(&t, SID_P, PCI_EXT_CAP_ID_PASID);
    uint32_t exp = cap(&t, SID_P, PCI_CAP_ID_EXP);

    g_assert_cmpuint(IDR1_SSIDSIZE(smmu_readl(&t, IDR1)), ==, 16);
    g_assert_true(smmu_readl(&t, IDR0) & IDR0_CD2L);
    g_assert_cmphex(pasid, !=, 0);
    g_assert_cmphex(qtest_readw(t.qts, cfg_addr(SID_P, pasid + PCI_PASID_CAP)),
                    ==, 16 << 8);
    g_assert_true(qtest_readl(t.qts, cfg_addr(SID_P, exp + PCI_EXP_DEVCAP2)) &
                  PCI_EXP_DEVCAP2_EE_PREFIX);
    g_assert_cmphex(ext_cap(&t, SID_P, PCI_EXT_CAP_ID_ATS), !=, 0);

    /* Not enabled, and too wide */
    set_pasid(&t, 1 << 16);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 0, 1), ==,
                     ATD_E_PASID);
    set_pasid(&t, 1);
    qtest_writew(t.qts, cfg_addr(SID_P, pasid + PCI_PASID_CTRL), 0);
    g_assert_cmpuint(fill(&t, SID_P, 0, 1), ==, ATD_E_PASID);
    g_assert_cmpuint(dev_cmd(&t, SID_P, ATD_CMD_ATC_LOOKUP), ==, ATD_E_PASID);
    g_assert_cmpuint(events(&t), ==, 0);

    /* A reset disables it */
    qtest_writew(t.qts, cfg_addr(SID_P, pasid + PCI_PASID_CTRL),
                 PCI_PASID_CTRL_ENABLE);
    g_assert_cmpuint(fill(&t, SID_P, 0, 1), ==, ATD_OK);
    dev_cmd(&t, SID_P, ATD_CMD_FAST_RESET);
    g_assert_cmphex(qtest_readw(t.qts, cfg_addr(SID_P, pasid + PCI_PASID_CTRL)),
                    ==, 0);
    g_assert_cmphex(dev_readl(&t, SID_P, ATD_PASID), ==, 0);

    /* None of it unless asked for; PASIDs without SubstreamIDs are refused */
    g_assert_cmphex(ext_cap(&t, SID_A, PCI_EXT_CAP_ID_PASID), ==, 0);
    bench_end(&t);
    t = bench_start("-device ats-testdev,id=p,addr=5.0,pasid-width=16");
    g_assert_cmpuint(IDR1_SSIDSIZE(smmu_readl(&t, IDR1)), ==, 0);
    g_assert_false(smmu_readl(&t, IDR0) & IDR0_CD2L);
    setup_stream(&t, SID_P);
    dev_enable(&t, SID_P);
    set_pasid(&t, 1);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 0, 1), ==,
                     ATD_E_FAULT);
    g_assert_cmpuint(events(&t), ==, 1);
    expect_event(&t, 0, EVT_C_BAD_SUBSTREAMID, SID_P);
    /* More CDs than there may be */
    set_pasid_ste(&t, SID_P, 0, 1, S1DSS_SSID0, 1);
    no_pasid(&t);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 0, 1), ==,
                     ATD_E_FAULT);
    expect_event(&t, 1, EVT_C_BAD_STE, SID_P);
    bench_end(&t);
}

/* Each PASID has its address space, and its faults say so */
static void test_pasid_linear(void)
{
    Bench t = pasid_start("");

    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 3, 0x11), ==,
                     ATD_OK);
    set_pasid(&t, 1);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 3, 0x22), ==,
                     ATD_OK);
    g_assert_cmphex(page_read(&t, 3), ==, 0x11);
    g_assert_cmphex(page_read(&t, 3 + 32), ==, 0x22);
    g_assert_cmpuint(events(&t), ==, 0);

    map_pasid(&t, 4, 0);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 4, 1), ==,
                     ATD_E_FAULT);
    expect_event(&t, 0, EVT_F_TRANSLATION, SID_P);
    expect_ssid(&t, 0, 1, 1);
    g_assert_cmphex(qtest_readq(t.qts, EVTQ + 16), ==, 4 * 4096);
    map(&t, 5, 0);
    no_pasid(&t);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 5, 1), ==,
                     ATD_E_FAULT);
    expect_event(&t, 1, EVT_F_TRANSLATION, SID_P);
    expect_ssid(&t, 1, 0, 0);

    /* V = 0; beyond the table; CD 0, which is for those without a PASID */
    set_pasid(&t, 2);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 0, 1), ==,
                     ATD_E_FAULT);
    expect_event(&t, 2, EVT_C_BAD_CD, SID_P);
    expect_ssid(&t, 2, 1, 2);
    set_pasid(&t, 4);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 0, 1), ==,
                     ATD_E_FAULT);
    expect_event(&t, 3, EVT_C_BAD_SUBSTREAMID, SID_P);
    expect_ssid(&t, 3, 0, 4);
    set_pasid(&t, 0);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 0, 1), ==,
                     ATD_E_FAULT);
    expect_event(&t, 4, EVT_F_STREAM_DISABLED, SID_P);
    expect_ssid(&t, 4, 0, 0);
    g_assert_cmpuint(events(&t), ==, 5);

    /* A stream whose STE has no substreams, or no stage 1 */
    set_pasid(&t, 1);
    set_pasid_ste(&t, SID_P, 0, 0, S1DSS_SSID0, 1);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 0, 1), ==,
                     ATD_E_FAULT);
    expect_event(&t, 5, EVT_C_BAD_SUBSTREAMID, SID_P);
    qtest_writeq(t.qts, STRTAB + SID_P * 64, 4 << 1 | 1);
    push_cfgi_ste(&t, SID_P);
    ring(&t);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 0, 1), ==,
                     ATD_E_FAULT);
    expect_event(&t, 6, EVT_C_BAD_SUBSTREAMID, SID_P);
    g_assert_cmpuint(events(&t), ==, 7);
    bench_end(&t);
}

/* S1Fmt: leaves of 64 CDs and of 1024 CDs */
static void test_pasid_two_levels(void)
{
    static const struct {
        unsigned int fmt;
        unsigned int leaf;
    } fmts[] = { { 1, 64 }, { 2, 1024 } };
    Bench t = pasid_start("");

    for (int i = 0; i < ARRAY_SIZE(fmts); i++) {
        uint32_t pasid = fmts[i].leaf * 2 + 5;
        uint32_t n = events(&t);

        qtest_memset(t.qts, CDTAB, 0, 4096);
        qtest_memset(t.qts, CDTAB_L2, 0, 65536);
        qtest_writeq(t.qts, CDTAB + 2 * 8, CDTAB_L2 | 1);
        set_cd(&t, CDTAB_L2 + 5 * 64, PASID_PT, 2);
        set_pasid_ste(&t, SID_P, fmts[i].fmt, 13, S1DSS_TERMINATE, 1);

        set_pasid(&t, pasid);
        g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 6, 0x10 + i),
                         ==, ATD_OK);
        g_assert_cmphex(page_read(&t, 6 + 32), ==, 0x10 + i);
        g_assert_cmpuint(fill(&t, SID_P, 7, 1), ==, ATD_OK);

        /* An L1CD that is not valid, then a CD that is not */
        set_pasid(&t, pasid + fmts[i].leaf);
        g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 6, 1), ==,
                         ATD_E_FAULT);
        expect_event(&t, n, EVT_C_BAD_SUBSTREAMID, SID_P);
        expect_ssid(&t, n, 0, pasid + fmts[i].leaf);
        set_pasid(&t, pasid + 1);
        g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 6, 1), ==,
                         ATD_E_FAULT);
        expect_event(&t, n + 1, EVT_C_BAD_CD, SID_P);
        set_pasid(&t, 1 << 13);
        g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 6, 1), ==,
                         ATD_E_FAULT);
        expect_event(&t, n + 2, EVT_C_BAD_SUBSTREAMID, SID_P);
    }
    bench_end(&t);
}

/* 5.2, S1DSS: what there is for a request without a PASID */
static void test_pasid_s1dss(void)
{
    Bench t = pasid_start("");

    /* Terminated; as a Translation Request without an event */
    set_pasid_ste(&t, SID_P, 0, 2, S1DSS_TERMINATE, 1);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 0, 1), ==,
                     ATD_E_FAULT);
    expect_event(&t, 0, EVT_F_STREAM_DISABLED, SID_P);
    g_assert_cmpuint(fill(&t, SID_P, 0, 1), ==, ATD_E_DENIED);
    g_assert_cmpuint(events(&t), ==, 1);
    /* With PASID 0 there is CD 0 */
    set_pasid(&t, 0);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 0, 0x11), ==,
                     ATD_OK);
    g_assert_cmphex(page_read(&t, 0), ==, 0x11);
    /* IDR3.PASIDTT = 0: the CD of a Translated transaction is not looked at */
    set_pasid(&t, 1);
    g_assert_cmpuint(fill(&t, SID_P, 1, 1), ==, ATD_OK);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_ATC, 1, 0x22), ==, ATD_OK);
    g_assert_cmphex(page_read(&t, 1 + 32), ==, 0x22);
    g_assert_cmpuint(events(&t), ==, 1);

    /* 13.6.4: bypassed, and ATS gives the address that it was asked for */
    set_pasid_ste(&t, SID_P, 0, 2, S1DSS_BYPASS, 1);
    no_pasid(&t);
    g_assert_cmpuint(dma_write(&t, SID_P, ATD_ATTR_UNTRANSLATED,
                               PAGES + 2 * 4096, 0x33), ==, ATD_OK);
    g_assert_cmphex(page_read(&t, 2), ==, 0x33);
    g_assert_cmpuint(fill(&t, SID_P, PAGES / 4096 + 3, 1), ==, ATD_OK);
    dev_writeq(&t, SID_P, ATD_ADDR, PAGES + 3 * 4096);
    g_assert_cmpuint(dev_cmd(&t, SID_P, ATD_CMD_ATC_LOOKUP), ==, ATD_OK);
    g_assert_cmphex(dev_readq(&t, SID_P, ATD_DATA), ==, PAGES + 3 * 4096);
    g_assert_cmpuint(dma_write(&t, SID_P, ATD_ATTR_ATC, PAGES + 3 * 4096,
                               0x44), ==, ATD_OK);
    g_assert_cmphex(page_read(&t, 3), ==, 0x44);
    set_pasid(&t, 1);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 4, 0x55), ==,
                     ATD_OK);
    g_assert_cmphex(page_read(&t, 4 + 32), ==, 0x55);
    g_assert_cmpuint(events(&t), ==, 1);
    bench_end(&t);
}

/* A changed CD is seen after the command that names it, and not before */
static void test_pasid_config_cache(void)
{
    Bench t = pasid_start("");

    set_cd(&t, CDTAB + 3 * 64, PASID_PT, 2);
    for (int pasid = 1; pasid <= 3; pasid += 2) {
        set_pasid(&t, pasid);
        g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 0, 0x11), ==,
                         ATD_OK);
    }
    qtest_writel(t.qts, CDTAB + 64, 0);
    qtest_writel(t.qts, CDTAB + 3 * 64, 0);
    push_cfgi_cd(&t, 0);
    push_cfgi_cd(&t, 2);
    for (int pasid = 1; pasid <= 3; pasid += 2) {
        set_pasid(&t, pasid);
        g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 1, 0x11), ==,
                         ATD_OK);
    }
    push_cfgi_cd(&t, 3);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 2, 0x11), ==,
                     ATD_E_FAULT);
    expect_event(&t, 0, EVT_C_BAD_CD, SID_P);
    set_pasid(&t, 1);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 2, 0x11), ==,
                     ATD_OK);
    push(&t, OP_CFGI_CD_ALL | (uint64_t)SID_P << 32, 0);
    ring(&t);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 3, 0x11), ==,
                     ATD_E_FAULT);
    expect_event(&t, 1, EVT_C_BAD_CD, SID_P);

    /* All PASIDs see one STE: CMD_CFGI_CD is no CMD_CFGI_STE */
    set_cd(&t, CDTAB + 64, PASID_PT, 2);
    qtest_writeq(t.qts, STRTAB + SID_P * 64, 0);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 4, 0x11), ==,
                     ATD_OK);
    push_cfgi_cd(&t, 1);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 5, 0x11), ==,
                     ATD_OK);
    push_cfgi_ste(&t, SID_P);
    ring(&t);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 6, 0x11), ==,
                     ATD_E_FAULT);
    expect_event(&t, 2, EVT_C_BAD_STE, SID_P);
    expect_ssid(&t, 2, 1, 1);
    g_assert_cmpuint(events(&t), ==, 3);
    bench_end(&t);
}

/* The TLB knows address spaces by ASID, whatever PASID they have */
static void test_pasid_tlbi(void)
{
    Bench t = pasid_start("");

    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 0, 1), ==, ATD_OK);
    set_pasid(&t, 1);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 0, 1), ==, ATD_OK);
    map(&t, 0, 0);
    map_pasid(&t, 0, 0);
    push(&t, OP_TLBI_NH_ASID | 2ULL << 48, 0);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 0, 1), ==,
                     ATD_E_FAULT);
    no_pasid(&t);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 0, 1), ==, ATD_OK);
    push(&t, OP_TLBI_NH_ASID | 1ULL << 48, 0);
    push_sync(&t);
    ring(&t);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_UNTRANSLATED, 0, 1), ==,
                     ATD_E_FAULT);
    g_assert_cmpuint(events(&t), ==, 2);
    bench_end(&t);
}

/* An Invalidate Request empties the ATC of its PASID, of all, or of none */
static void test_pasid_atc_inv(void)
{
    Bench t = pasid_start("");

    set_cd(&t, CDTAB + 3 * 64, PASID_PT, 2);
    g_assert_cmpuint(fill(&t, SID_P, 0, 4), ==, ATD_OK);
    for (int pasid = 1; pasid <= 3; pasid += 2) {
        set_pasid(&t, pasid);
        g_assert_cmpuint(fill(&t, SID_P, 0, 4), ==, ATD_OK);
    }
    g_assert_cmpuint(dev_readq(&t, SID_P, ATD_ATC_ENTRIES), ==, 12);
    set_pasid(&t, 1);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_ATC, 0, 0x11), ==, ATD_OK);
    g_assert_cmphex(page_read(&t, 32), ==, 0x11);
    no_pasid(&t);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_ATC, 0, 0x22), ==, ATD_OK);
    g_assert_cmphex(page_read(&t, 0), ==, 0x22);

    /* One page, then a range, of one PASID */
    push_pasid_inv(&t, 1, false, 0, 0);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    g_assert_cmpuint(dev_readq(&t, SID_P, ATD_ATC_ENTRIES), ==, 11);
    set_pasid(&t, 1);
    g_assert_cmpuint(pasid_write(&t, ATD_ATTR_ATC, 0, 0), ==, ATD_E_MISS);
    push_pasid_inv(&t, 1, false, 0, SIZE_ALL);
    push_sync(&t);
    ring(&t);
    g_assert_cmpuint(dev_readq(&t, SID_P, ATD_ATC_ENTRIES), ==, 8);
    /* Global: the PASID that it carries does not matter */
    push_pasid_inv(&t, 1, true, 0, 0);
    push_sync(&t);
    ring(&t);
    g_assert_cmpuint(dev_readq(&t, SID_P, ATD_ATC_ENTRIES), ==, 7);
    /* Without a PASID: one page, and of all PASIDs all addresses */
    push_atc_inv(&t, SID_P, 0, 0);
    push_sync(&t);
    ring(&t);
    g_assert_cmpuint(dev_readq(&t, SID_P, ATD_ATC_ENTRIES), ==, 3);
    push_atc_inv(&t, SID_P, 0, SIZE_ALL);
    push_sync(&t);
    ring(&t);
    g_assert_cmpuint(dev_readq(&t, SID_P, ATD_ATC_ENTRIES), ==, 0);
    g_assert_cmpuint(events(&t), ==, 0);

    /* A dead function is dead for all PASIDs: one error for the batch */
    set_mode(&t, SID_P, ATD_INV_NEVER, 0);
    push_pasid_inv(&t, 1, false, 0, 0);
    push_pasid_inv(&t, 3, false, 0, 0);
    push_atc_inv(&t, SID_P, 0, 0);
    push_sync(&t);
    ring(&t);
    step(&t, T);
    expect_error(&t, t.prod - 1, CERROR_ATC_INV_SYNC);
    bench_end(&t);
}

/* The hammer's PASID is its own, and one fence stops every PASID */
static void test_pasid_hammer(void)
{
    Bench t = pasid_start("");

    set_pasid(&t, 1);
    g_assert_cmpuint(fill(&t, SID_P, 0, 1), ==, ATD_OK);
    no_pasid(&t);
    dev_writel(&t, SID_P, ATD_HAMMER_PASID, ATD_PASID_VALID | 1);
    dev_writeq(&t, SID_P, ATD_HAMMER_LEN, 4096);
    dev_writeq(&t, SID_P, ATD_HAMMER_PATTERN, 0x1000);
    dev_writel(&t, SID_P, ATD_HAMMER_CTRL, ATD_HAMMER_ENABLE |
               ATD_ATTR_ATC << ATD_HAMMER_ATTR_SHIFT);
    step(&t, 10 * US);
    g_assert_cmpuint(dev_readq(&t, SID_P, ATD_ACCEPTED), ==, 10);
    g_assert_cmphex(page_read(&t, 32), ==, 0x1009);
    g_assert_cmphex(page_read(&t, 0), ==, 0);

    set_pasid_ste(&t, SID_P, 0, 2, S1DSS_SSID0, 0);
    step(&t, 10 * US);
    g_assert_cmpuint(dev_readq(&t, SID_P, ATD_ACCEPTED), ==, 10);
    g_assert_cmpuint(dev_readq(&t, SID_P, ATD_REFUSED), ==, 10);
    expect_event(&t, 0, EVT_F_TRANSL_FORBIDDEN, SID_P);
    expect_ssid(&t, 0, 0, 0);
    /* 3.9.1.2, with the PASID of the Translation Request */
    set_pasid(&t, 1);
    g_assert_cmpuint(fill(&t, SID_P, 2, 1), ==, ATD_E_DENIED);
    expect_event(&t, 10, EVT_F_BAD_ATS_TREQ, SID_P);
    expect_ssid(&t, 10, 1, 1);

    /* Untranslated DMA is not affected, and the hammer can do it as well */
    dev_writel(&t, SID_P, ATD_HAMMER_CTRL, ATD_HAMMER_ENABLE |
               ATD_ATTR_UNTRANSLATED << ATD_HAMMER_ATTR_SHIFT);
    step(&t, 10 * US);
    g_assert_cmpuint(dev_readq(&t, SID_P, ATD_ACCEPTED), ==, 20);
    bench_end(&t);
}

/*
 * What the machine tells its guest
 */

static char *fdt_get(Bench *t, uint32_t *size)
{
    char *fdt;

    g_assert_cmphex(qtest_readl(t->qts, FDT_BASE), ==, 0xedfe0dd0);
    *size = __builtin_bswap32(qtest_readl(t->qts, FDT_BASE + 4));
    fdt = g_malloc(*size);
    qtest_memread(t->qts, FDT_BASE, fdt, *size);
    return fdt;
}

static bool fdt_has_bytes(Bench *t, const void *bytes, size_t len)
{
    uint32_t size;
    g_autofree char *fdt = fdt_get(t, &size);

    return memmem(fdt, size, bytes, len);
}

static bool fdt_has(Bench *t, const char *name)
{
    return fdt_has_bytes(t, name, strlen(name) + 1);
}

/* The phandle of the SMMU at @base: QEMU writes new properties in front */
static uint32_t fdt_phandle(Bench *t, uint64_t base)
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
static void fw_cfg_select(Bench *t, uint16_t key)
{
    qtest_writew(t->qts, FW_CFG_BASE + 8, bswap16(key));
}

static void fw_cfg_read(Bench *t, void *buf, size_t size)
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
static uint8_t *fw_cfg_file(Bench *t, const char *name, uint32_t *size,
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

static IORT iort_get(Bench *t)
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

static uint32_t iort_ats_attribute(Bench *t)
{
    IORT iort = iort_get(t);
    uint32_t attribute = ldl_le_p(iort.rc + 24);

    g_free(iort.tables);
    return attribute;
}

/* The base address of the SMMU to which the root complex maps @rid, 0: none */
static uint64_t iort_smmu_of(Bench *t, uint32_t rid)
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

static void test_firmware(void)
{
    Bench t = bench_start("");

    g_assert_true(fdt_has(&t, "ats-supported"));
    g_assert_cmphex(iort_ats_attribute(&t), ==, 1);
    bench_end(&t);

    t = bench_start("-global arm-smmuv3.ats=off");
    g_assert_false(fdt_has(&t, "ats-supported"));
    g_assert_cmphex(iort_ats_attribute(&t), ==, 0);
    bench_end(&t);
}

/* One host bridge, two SMMUs: each has its queues, faults and functions */
static void test_two_smmus(void)
{
    Bench t = bench_start("-machine smmu2-rid=0x18 "
                          "-device pcie-root-port,id=rp,addr=6.0,chassis=1 "
                          "-device ats-testdev,bus=rp,id=e");
    Bench u = t;
    uint32_t map[8] = {
        0, 0, 0, cpu_to_be32(0x18),
        cpu_to_be32(0x18), 0, cpu_to_be32(0x18), cpu_to_be32(0x10000 - 0x18),
    };
    const uint32_t sid_e = 0x100;

    u.smmu = SMMU2_BASE;
    u.cmdq = CMDQ_2;
    u.evtq = EVTQ_2;
    u.strtab = STRTAB_2;
    g_assert_true(smmu_readl(&u, IDR0) & IDR0_ATS);
    smmu_enable(&u, CR0_ALL, 6);
    set_ste(&u, SID_B, 1);

    /* Behind the root port: bus 1, its BAR in the window of the bridge */
    qtest_writel(t.qts, cfg_addr(0x30, PCI_PRIMARY_BUS), 0x010100);
    qtest_writel(t.qts, cfg_addr(0x30, PCI_MEMORY_BASE), 0x10101010);
    qtest_writew(t.qts, cfg_addr(0x30, PCI_COMMAND),
                 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    set_cd(&u, CDS + sid_e * 64, PT_L1, 1);
    set_ste(&u, sid_e, 1);
    dev_enable(&u, sid_e);

    /* Each function finds its STE in its own table */
    g_assert_cmpuint(fill(&t, SID_A, 0, 1), ==, ATD_OK);
    g_assert_cmpuint(fill(&u, SID_B, 1, 1), ==, ATD_OK);
    g_assert_cmpuint(fill(&u, sid_e, 2, 1), ==, ATD_OK);
    g_assert_cmpuint(dma_write(&u, SID_B, ATD_ATTR_ATC, 4096, 0x11), ==,
                     ATD_OK);
    g_assert_cmphex(page_read(&t, 1), ==, 0x11);
    g_assert_cmpuint(dma_write(&u, SID_NO_ATS, ATD_ATTR_UNTRANSLATED, 0, 1),
                     ==, ATD_E_FAULT);
    g_assert_cmpuint(events(&t), ==, 0);
    g_assert_cmpuint(events(&u), ==, 1);
    expect_event(&u, 0, EVT_C_BAD_STE, SID_NO_ATS);

    /* A CMD_ATC_INV does not reach what is behind the other SMMU */
    push_atc_inv(&t, SID_B, 0, SIZE_ALL);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    g_assert_cmpuint(dev_readq(&u, SID_B, ATD_INV_RECEIVED), ==, 0);

    /* A function that stops one queue does not stop the other */
    set_mode(&u, SID_B, ATD_INV_NEVER, 0);
    push_atc_inv(&u, SID_B, 0, SIZE_ALL);
    push_atc_inv(&u, sid_e, 0, SIZE_ALL);
    push_sync(&u);
    ring(&u);
    expect_waiting(&u, 2);
    push_atc_inv(&t, SID_A, 0, SIZE_ALL);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_ENTRIES), ==, 0);
    g_assert_cmpuint(dev_readq(&u, sid_e, ATD_ATC_ENTRIES), ==, 0);
    step(&t, T);
    g_assert_false(active(&t, GERROR_CMDQ));
    expect_error(&u, 2, CERROR_ATC_INV_SYNC);
    acknowledge(&u, GERROR_CMDQ);
    expect_done(&u);

    /* What the guest is told; the phandles are those of the machine */
    map[1] = cpu_to_be32(fdt_phandle(&t, SMMU_BASE));
    map[5] = cpu_to_be32(fdt_phandle(&t, SMMU2_BASE));
    g_assert_true(fdt_has_bytes(&t, map, sizeof(map)));
    g_assert_cmphex(iort_smmu_of(&t, SID_A), ==, SMMU_BASE);
    g_assert_cmphex(iort_smmu_of(&t, SID_B), ==, SMMU2_BASE);
    g_assert_cmphex(iort_smmu_of(&t, 0x17), ==, SMMU_BASE);
    g_assert_cmphex(iort_smmu_of(&t, sid_e), ==, SMMU2_BASE);
    bench_end(&t);

    /* There is one if nobody asks for two */
    t = bench_start("");
    g_assert_cmphex(iort_smmu_of(&t, SID_A), ==, SMMU_BASE);
    g_assert_cmphex(iort_smmu_of(&t, SID_B), ==, SMMU_BASE);
    g_assert_false(fdt_has(&t, "smmuv3@90e0000"));
    bench_end(&t);
}

/*
 * The endpoint
 */

static void test_inv_modes(void)
{
    Bench t = bench_start("");

    /* lie: answered, entries kept */
    g_assert_cmpuint(fill(&t, SID_A, 0, 4), ==, ATD_OK);
    set_mode(&t, SID_A, ATD_INV_LIE, 0);
    push_atc_inv(&t, SID_A, 0, SIZE_ALL);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_ENTRIES), ==, 4);

    /* stop-after: two answers, then dead */
    set_mode(&t, SID_A, ATD_INV_STOP_AFTER, 2);
    push_atc_inv(&t, SID_A, 0, 0);
    push_atc_inv(&t, SID_A, 4096, 0);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_ENTRIES), ==, 2);
    push_atc_inv(&t, SID_A, 2 * 4096, 0);
    push_sync(&t);
    ring(&t);
    step(&t, T);
    expect_error(&t, 6, CERROR_ATC_INV_SYNC);
    acknowledge(&t, GERROR_CMDQ);
    g_assert_cmpuint(dev_readl(&t, SID_A, ATD_INV_MODE), ==,
                     ATD_INV_NEVER_UNTIL_RESET);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_ENTRIES), ==, 2);

    /* a reset revives it, but not one that never answers */
    g_assert_cmpuint(dev_cmd(&t, SID_A, ATD_CMD_FAST_RESET), ==, ATD_OK);
    g_assert_cmpuint(dev_readl(&t, SID_A, ATD_INV_MODE), ==, ATD_INV_ANSWER);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_ENTRIES), ==, 0);
    set_mode(&t, SID_A, ATD_INV_NEVER, 0);
    dev_cmd(&t, SID_A, ATD_CMD_FAST_RESET);
    g_assert_cmpuint(dev_readl(&t, SID_A, ATD_INV_MODE), ==, ATD_INV_NEVER);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_RESETS), ==, 2);

    /* lossy: none of 1000, all of 1000 */
    set_mode(&t, SID_B, ATD_INV_LOSSY, 0);
    for (int i = 0; i < 20; i++) {
        push_atc_inv(&t, SID_B, 0, 0);
    }
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    set_mode(&t, SID_B, ATD_INV_LOSSY, 1000);
    push_atc_inv(&t, SID_B, 0, 0);
    push_sync(&t);
    ring(&t);
    expect_waiting(&t, t.prod - 1);
    step(&t, T);
    expect_error(&t, t.prod - 1, CERROR_ATC_INV_SYNC);
    bench_end(&t);
}

/* The same seed loses the same requests */
static void test_lossy_seed(void)
{
    uint64_t ignored[3];
    static const char *const args[] = {
        "-device ats-testdev,addr=5.0,inv-mode=lossy,inv-arg=500,seed=7",
        "-device ats-testdev,addr=5.0,inv-mode=lossy,inv-arg=500,seed=7",
        "-device ats-testdev,addr=5.0,inv-mode=lossy,inv-arg=500,seed=8",
    };

    for (int i = 0; i < 3; i++) {
        Bench t = bench_start(args[i]);

        dev_enable(&t, 0x28);
        ignored[i] = 0;
        for (int n = 0; n < 32; n++) {
            push_atc_inv(&t, 0x28, 0, 0);
            ring(&t);
            ignored[i] = ignored[i] << 1 |
                         (dev_readq(&t, 0x28, ATD_INV_IGNORED) & 1);
        }
        g_assert_cmpuint(dev_readq(&t, 0x28, ATD_INV_IGNORED), >, 4);
        g_assert_cmpuint(dev_readq(&t, 0x28, ATD_INV_ANSWERED), >, 4);
        bench_end(&t);
    }
    g_assert_cmphex(ignored[0], ==, ignored[1]);
    g_assert_cmphex(ignored[0], !=, ignored[2]);
}

/* The mode can be changed from the host, while the machine runs */
static void test_qom_set(void)
{
    Bench t = bench_start("-device ats-testdev,id=e,addr=5.0,"
                          "inv-mode=never-until-reset");
    QDict *response;

    dev_enable(&t, 0x28);
    g_assert_cmpuint(dev_readl(&t, 0x28, ATD_INV_MODE), ==,
                     ATD_INV_NEVER_UNTIL_RESET);
    g_assert_cmpuint(dev_readq(&t, 0x28, ATD_RESETS), ==, 0);

    response = qtest_qmp(t.qts, "{ 'execute': 'qom-set', 'arguments': {"
                         " 'path': '/machine/peripheral/a',"
                         " 'property': 'inv-mode', 'value': 'late' } }");
    g_assert_true(qdict_haskey(response, "return"));
    qobject_unref(response);
    response = qtest_qmp(t.qts, "{ 'execute': 'qom-set', 'arguments': {"
                         " 'path': '/machine/peripheral/a',"
                         " 'property': 'inv-arg', 'value': 42 } }");
    g_assert_true(qdict_haskey(response, "return"));
    qobject_unref(response);
    g_assert_cmpuint(dev_readl(&t, SID_A, ATD_INV_MODE), ==, ATD_INV_LATE);
    g_assert_cmpuint(dev_readl(&t, SID_A, ATD_INV_ARG), ==, 42);
    bench_end(&t);
}

static void test_hammer(void)
{
    Bench t = bench_start("");
    uint64_t now;

    g_assert_cmpuint(fill(&t, SID_A, 0, 2), ==, ATD_OK);
    dev_writel(&t, SID_A, ATD_HAMMER_PERIOD, 10000);
    dev_writeq(&t, SID_A, ATD_HAMMER_ADDR, 0);
    dev_writeq(&t, SID_A, ATD_HAMMER_LEN, 4 * 4096);
    dev_writeq(&t, SID_A, ATD_HAMMER_PATTERN, 0x1000);
    dev_writel(&t, SID_A, ATD_HAMMER_CTRL, ATD_HAMMER_ENABLE |
               ATD_ATTR_ATC << ATD_HAMMER_ATTR_SHIFT);
    step(&t, 80 * US);
    /* Pages 0 and 1 are cached, 2 and 3 are not */
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ACCEPTED), ==, 4);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_MISSED), ==, 4);
    g_assert_cmphex(page_read(&t, 0), ==, 0x1004);
    g_assert_cmphex(page_read(&t, 1), ==, 0x1005);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ACCEPTED_AFTER), ==, 0);

    dev_writel(&t, SID_A, ATD_MARK, ATD_MARK_START);
    now = dev_readq(&t, SID_A, ATD_TIME);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_MARK_TIME), ==, now);
    step(&t, 40 * US);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ACCEPTED_AFTER), ==, 2);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_FIRST_ACCEPTED_AFTER), ==,
                     now + 10000);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_LAST_ACCEPTED_AFTER), ==,
                     now + 20000);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_MISSED_AFTER), ==, 2);

    /* The fence: what landed is refused from here on */
    set_ste(&t, SID_A, 0);
    push_cfgi_ste(&t, SID_A);
    push_sync(&t);
    ring(&t);
    now = dev_readq(&t, SID_A, ATD_TIME);
    dev_writel(&t, SID_A, ATD_MARK, ATD_MARK_START);
    step(&t, 4000 * US);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ACCEPTED_AFTER), ==, 0);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_REFUSED_AFTER), ==, 200);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_FIRST_REFUSED_AFTER), ==,
                     now + 10000);
    g_assert_cmphex(page_read(&t, 0), ==, 0x1008);
    dev_writel(&t, SID_A, ATD_MARK, ATD_MARK_STOP);
    step(&t, 40 * US);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_REFUSED_AFTER), ==, 200);

    /* A miss that is refilled first */
    dev_writeq(&t, SID_B, ATD_HAMMER_ADDR, 9 * 4096);
    dev_writeq(&t, SID_B, ATD_HAMMER_LEN, 4096);
    dev_writel(&t, SID_B, ATD_HAMMER_CTRL, ATD_HAMMER_ENABLE |
               ATD_HAMMER_REFILL | ATD_ATTR_ATC << ATD_HAMMER_ATTR_SHIFT);
    step(&t, 1 * US);
    g_assert_cmpuint(dev_readq(&t, SID_B, ATD_ACCEPTED), ==, 1);
    g_assert_cmpuint(dev_readq(&t, SID_B, ATD_ATC_FILLS), ==, 1);

    g_assert_cmpuint(dev_cmd(&t, SID_B, ATD_CMD_CLEAR_COUNTERS), ==, ATD_OK);
    g_assert_cmpuint(dev_readq(&t, SID_B, ATD_ACCEPTED), ==, 0);
    bench_end(&t);
}

/* A Function Level Reset: quiet, ATS off, nothing outstanding, counters kept */
static void test_flr(void)
{
    Bench t = bench_start("");
    uint32_t ats = ext_cap(&t, SID_A, PCI_EXT_CAP_ID_ATS);
    uint32_t exp = cap(&t, SID_A, PCI_CAP_ID_EXP);
    uint16_t devctl;

    g_assert_cmphex(exp, !=, 0);
    g_assert_cmphex(ext_cap(&t, SID_A, PCI_EXT_CAP_ID_ERR), !=, 0);
    g_assert_cmphex(cap(&t, SID_A, PCI_CAP_ID_MSI), !=, 0);
    /* Linux: page-aligned requests, and an STU that it can set to 0 */
    g_assert_true(qtest_readw(t.qts, cfg_addr(SID_A, ats + PCI_ATS_CAP)) &
                  PCI_ATS_CAP_PAGE_ALIGNED);
    g_assert_true(qtest_readl(t.qts, cfg_addr(SID_A, exp + PCI_EXP_DEVCAP)) &
                  PCI_EXP_DEVCAP_FLR);

    g_assert_cmpuint(fill(&t, SID_A, 0, 4), ==, ATD_OK);
    dev_writeq(&t, SID_A, ATD_HAMMER_LEN, 4096);
    dev_writel(&t, SID_A, ATD_HAMMER_CTRL, ATD_HAMMER_ENABLE |
               ATD_ATTR_ATC << ATD_HAMMER_ATTR_SHIFT);
    set_mode(&t, SID_A, ATD_INV_LATE, 500);
    push_atc_inv(&t, SID_A, 8 * 4096, 0);
    push_sync(&t);
    ring(&t);
    step(&t, 100 * US);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ACCEPTED), ==, 100);

    devctl = qtest_readw(t.qts, cfg_addr(SID_A, exp + PCI_EXP_DEVCTL));
    qtest_writew(t.qts, cfg_addr(SID_A, exp + PCI_EXP_DEVCTL),
                 devctl | PCI_EXP_DEVCTL_BCR_FLR);
    g_assert_cmphex(qtest_readw(t.qts, cfg_addr(SID_A, ats + PCI_ATS_CTRL)), ==,
                    0);
    /* The answer is lost with the reset */
    step(&t, 890 * US);
    expect_waiting(&t, 1);
    step(&t, 10 * US);
    expect_error(&t, 1, CERROR_ATC_INV_SYNC);
    acknowledge(&t, GERROR_CMDQ);
    expect_done(&t);

    dev_enable(&t, SID_A);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_ENTRIES), ==, 0);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_INV_PENDING), ==, 0);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ACCEPTED), ==, 100);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_RESETS), ==, 1);
    g_assert_cmpuint(dev_readl(&t, SID_A, ATD_HAMMER_CTRL), ==, 0);
    bench_end(&t);
}

/*
 * D3hot and back, without No_Soft_Reset: the reset of Linux' "pm" method, which
 * resets what an FLR does, in less time
 */
static void test_pm_reset(void)
{
    Bench t = bench_start("");
    uint32_t ats = ext_cap(&t, SID_A, PCI_EXT_CAP_ID_ATS);
    uint32_t pm = cap(&t, SID_A, PCI_CAP_ID_PM);
    uint64_t pmcsr = cfg_addr(SID_A, pm + PCI_PM_CTRL);

    g_assert_cmphex(pm, !=, 0);
    g_assert_cmphex(qtest_readw(t.qts, pmcsr) & PCI_PM_CTRL_NO_SOFT_RESET, ==,
                    0);
    g_assert_cmpuint(fill(&t, SID_A, 0, 4), ==, ATD_OK);
    dev_writeq(&t, SID_A, ATD_HAMMER_LEN, 4096);
    dev_writel(&t, SID_A, ATD_HAMMER_CTRL, ATD_HAMMER_ENABLE |
               ATD_ATTR_ATC << ATD_HAMMER_ATTR_SHIFT);
    step(&t, 100 * US);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ACCEPTED), ==, 100);
    set_mode(&t, SID_A, ATD_INV_NEVER_UNTIL_RESET, 0);
    push_atc_inv(&t, SID_A, 0, SIZE_ALL);
    push_sync(&t);
    ring(&t);
    expect_waiting(&t, 1);

    /* No memory request comes from D3hot; going there resets nothing */
    qtest_writew(t.qts, pmcsr, 3);
    step(&t, 100 * US);
    g_assert_cmphex(page_read(&t, 0), ==, 99);
    g_assert_cmphex(qtest_readw(t.qts, cfg_addr(SID_A, ats + PCI_ATS_CTRL)), ==,
                    PCI_ATS_CTRL_ENABLE);
    qtest_writew(t.qts, pmcsr, 0);
    g_assert_cmphex(qtest_readw(t.qts, pmcsr) & PCI_PM_CTRL_STATE_MASK, ==, 0);
    g_assert_cmphex(qtest_readw(t.qts, cfg_addr(SID_A, ats + PCI_ATS_CTRL)), ==,
                    0);
    g_assert_cmphex(qtest_readw(t.qts, cfg_addr(SID_A, PCI_COMMAND)), ==, 0);

    dev_enable(&t, SID_A);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_ENTRIES), ==, 0);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ACCEPTED), ==, 100);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_RESETS), ==, 1);
    g_assert_cmpuint(dev_readl(&t, SID_A, ATD_HAMMER_CTRL), ==, 0);
    g_assert_cmpuint(dev_readl(&t, SID_A, ATD_INV_MODE), ==, ATD_INV_ANSWER);
    /* The request is forgotten, not answered */
    step(&t, T);
    expect_error(&t, 1, CERROR_ATC_INV_SYNC);
    acknowledge(&t, GERROR_CMDQ);
    push_atc_inv(&t, SID_A, 0, SIZE_ALL);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    bench_end(&t);
}

/* VFs are functions with an ATC of their own, while they are enabled */
static void test_sriov(void)
{
    const uint32_t pf = 0x30, vf = 0x31;
    Bench t = bench_start("-global arm-smmuv3.ssidsize=4 "
                          "-device ats-testdev,addr=6.0,vfs=2,pasid-width=4");
    uint32_t sriov = ext_cap(&t, pf, PCI_EXT_CAP_ID_SRIOV);
    uint32_t exp = cap(&t, pf, PCI_CAP_ID_EXP);

    g_assert_cmphex(sriov, !=, 0);
    for (int i = 0; i < 3; i++) {
        setup_stream(&t, pf + i);
    }
    dev_enable(&t, pf);

    /* Not enabled: no function answers, which is an Unsupported Request */
    push_atc_inv(&t, vf, 0, SIZE_ALL);
    push_sync(&t);
    ring(&t);
    expect_done(&t);

    for (int round = 0; round < 2; round++) {
        qtest_writel(t.qts, cfg_addr(pf, sriov + PCI_SRIOV_BAR), bar(vf));
        qtest_writew(t.qts, cfg_addr(pf, sriov + PCI_SRIOV_NUM_VF), 2);
        qtest_writew(t.qts, cfg_addr(pf, sriov + PCI_SRIOV_CTRL),
                     PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
        dev_enable(&t, vf);
        dev_enable(&t, vf + 1);
        g_assert_cmphex(ext_cap(&t, vf, PCI_EXT_CAP_ID_SRIOV), ==, 0);
        g_assert_cmphex(ext_cap(&t, vf, PCI_EXT_CAP_ID_PASID), ==, 0);
        g_assert_cmphex(ext_cap(&t, vf, PCI_EXT_CAP_ID_ATS), !=, 0);
        g_assert_cmpuint(dev_readl(&t, vf, ATD_INV_MODE), ==, ATD_INV_ANSWER);
        /* It was there for one of each round */
        g_assert_cmpuint(dev_readq(&t, vf, ATD_INV_RECEIVED), ==, round);
        for (int i = 0; i < 3; i++) {
            g_assert_cmpuint(fill(&t, pf + i, 0, i + 1), ==, ATD_OK);
            g_assert_cmpuint(dev_readq(&t, pf + i, ATD_ATC_ENTRIES), ==, i + 1);
        }
        g_assert_cmpuint(dma_write(&t, vf, ATD_ATTR_ATC, 0, 0x11), ==, ATD_OK);

        /* The PASID capability of the PF is there for all */
        dev_writel(&t, vf, ATD_PASID, ATD_PASID_VALID | 1);
        g_assert_cmpuint(fill(&t, vf, 0, 1), ==, ATD_E_DENIED);
        dev_writel(&t, vf, ATD_PASID, ATD_PASID_VALID | 16);
        g_assert_cmpuint(fill(&t, vf, 0, 1), ==, ATD_E_PASID);

        /* One of them is dead */
        set_mode(&t, vf, ATD_INV_NEVER_UNTIL_RESET, 0);
        for (int i = 0; i < 3; i++) {
            push_atc_inv(&t, pf + i, 0, SIZE_ALL);
        }
        push_sync(&t);
        ring(&t);
        step(&t, T);
        expect_error(&t, t.prod - 1, CERROR_ATC_INV_SYNC);
        acknowledge(&t, GERROR_CMDQ);
        expect_done(&t);
        for (int i = 0; i < 3; i++) {
            g_assert_cmpuint(dev_readq(&t, pf + i, ATD_ATC_ENTRIES), ==,
                             pf + i == vf ? 2 : 0);
        }

        /* An FLR of the PF takes its VFs away, and heals them */
        qtest_writew(t.qts, cfg_addr(pf, exp + PCI_EXP_DEVCTL),
                     PCI_EXP_DEVCTL_BCR_FLR);
        g_assert_cmphex(qtest_readl(t.qts, cfg_addr(vf, 0)), ==, UINT32_MAX);
        push_atc_inv(&t, vf, 0, SIZE_ALL);
        push_sync(&t);
        ring(&t);
        expect_done(&t);
        dev_enable(&t, pf);
    }
    bench_end(&t);
}

/* A machine reset leaves nothing behind in the SMMU */
static void test_system_reset(void)
{
    Bench t = bench_start("-global arm-smmuv3.atc-inv-sticky=5");

    set_mode(&t, SID_A, ATD_INV_NEVER_UNTIL_RESET, 0);
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    ring(&t);
    step(&t, T);
    expect_error(&t, 1, CERROR_ATC_INV_SYNC);
    qtest_system_reset(t.qts);
    bench_setup(&t, CR0_ALL, 6);
    g_assert_cmphex(smmu_readl(&t, GERROR), ==, 0);
    push_atc_inv(&t, SID_A, 0, 0);
    push_sync(&t);
    ring(&t);
    expect_done(&t);
    bench_end(&t);
}

/* 64-bit registers take two halves, low word first */
static void test_registers(void)
{
    Bench t = bench_start("");

    dev_writel(&t, SID_A, ATD_DATA, 0x11223344);
    dev_writel(&t, SID_A, ATD_DATA + 4, 0x55667788);
    g_assert_cmphex(dev_readq(&t, SID_A, ATD_DATA), ==, 0x5566778811223344);
    g_assert_cmphex(dev_readl(&t, SID_A, ATD_DATA + 4), ==, 0x55667788);
    g_assert_cmpuint(dev_readl(&t, SID_A, ATD_VERSION), ==, 1);
    dev_writel(&t, SID_A, ATD_HAMMER_PERIOD, 1);
    g_assert_cmpuint(dev_readl(&t, SID_A, ATD_HAMMER_PERIOD), ==, 1000);
    dev_writel(&t, SID_A, ATD_INV_MODE, 99);
    g_assert_cmpuint(dev_readl(&t, SID_A, ATD_INV_MODE), ==, ATD_INV_ANSWER);
    g_assert_cmpuint(dev_cmd(&t, SID_A, 99), ==, ATD_E_DECODE);
    g_assert_cmpuint(fill(&t, SID_A, 0, 70000), ==, ATD_E_FULL);
    dev_writeq(&t, SID_A, ATD_ADDR, 0);
    g_assert_cmpuint(dev_cmd(&t, SID_A, ATD_CMD_ATC_LOOKUP), ==, ATD_E_MISS);
    g_assert_cmpuint(fill(&t, SID_A, 0, 1), ==, ATD_OK);
    g_assert_cmpuint(dev_cmd(&t, SID_A, ATD_CMD_ATC_DROP), ==, ATD_OK);
    g_assert_cmpuint(dev_readq(&t, SID_A, ATD_ATC_ENTRIES), ==, 0);
    bench_end(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("/ats/queue/answered", test_answered);
    qtest_add_func("/ats/queue/late", test_late);
    qtest_add_func("/ats/queue/never", test_never);
    qtest_add_func("/ats/queue/refetch", test_refetch);
    qtest_add_func("/ats/queue/dropped", test_dropped);
    qtest_add_func("/ats/queue/sticky", test_sticky);
    qtest_add_func("/ats/queue/hang", test_hang);
    qtest_add_func("/ats/queue/smmuen-stuck", test_smmuen_stuck);
    qtest_add_func("/ats/queue/one-dead-of-two", test_one_dead_of_two);
    qtest_add_func("/ats/queue/unsynced", test_unsynced);
    qtest_add_func("/ats/queue/other-error-pending", test_other_error_pending);
    qtest_add_func("/ats/queue/outstanding-limit", test_outstanding_limit);
    qtest_add_func("/ats/queue/unsupported-request", test_unsupported_request);
    qtest_add_func("/ats/queue/answer-while-disabled",
                   test_answer_while_disabled);
    qtest_add_func("/ats/queue/smmu-without-ats", test_smmu_without_ats);
    qtest_add_func("/ats/queue/smmu-disabled", test_smmu_disabled);
    qtest_add_func("/ats/queue/tlbi-behind-stuck-sync",
                   test_tlbi_behind_stuck_sync);
    qtest_add_func("/ats/queue/msi", test_msi);
    qtest_add_func("/ats/dma/translated", test_translated);
    qtest_add_func("/ats/dma/translated-cr0", test_translated_cr0);
    qtest_add_func("/ats/dma/bad-eats", test_bad_eats);
    qtest_add_func("/ats/dma/translation-request", test_translation_request);
    qtest_add_func("/ats/dma/nested", test_nested);
    qtest_add_func("/ats/pasid/capability", test_pasid_capability);
    qtest_add_func("/ats/pasid/linear", test_pasid_linear);
    qtest_add_func("/ats/pasid/two-levels", test_pasid_two_levels);
    qtest_add_func("/ats/pasid/s1dss", test_pasid_s1dss);
    qtest_add_func("/ats/pasid/config-cache", test_pasid_config_cache);
    qtest_add_func("/ats/pasid/tlbi", test_pasid_tlbi);
    qtest_add_func("/ats/pasid/atc-inv", test_pasid_atc_inv);
    qtest_add_func("/ats/pasid/hammer", test_pasid_hammer);
    qtest_add_func("/ats/machine/firmware", test_firmware);
    qtest_add_func("/ats/machine/two-smmus", test_two_smmus);
    qtest_add_func("/ats/dev/inv-modes", test_inv_modes);
    qtest_add_func("/ats/dev/lossy-seed", test_lossy_seed);
    qtest_add_func("/ats/dev/qom-set", test_qom_set);
    qtest_add_func("/ats/dev/hammer", test_hammer);
    qtest_add_func("/ats/dev/flr", test_flr);
    qtest_add_func("/ats/dev/pm-reset", test_pm_reset);
    qtest_add_func("/ats/dev/sriov", test_sriov);
    qtest_add_func("/ats/dev/system-reset", test_system_reset);
    qtest_add_func("/ats/dev/registers", test_registers);

    return g_test_run();
}
