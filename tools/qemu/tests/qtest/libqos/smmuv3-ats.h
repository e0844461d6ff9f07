/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libqos: an SMMUv3 without a guest CPU
 *
 * A virt machine with one or two SMMUs, whose tables and queues the test writes
 * itself, and three functions of ats-testdev. Section numbers in the tests are
 * those of Arm IHI 0070.
 *
 * This is no SMMUv3 driver: it has what the tests of ATS need.
 */

#ifndef QTEST_LIBQOS_SMMUV3_ATS_H
#define QTEST_LIBQOS_SMMUV3_ATS_H

#include "qemu/bitops.h"
#include "../libqtest.h"

#define SMMU_BASE       0x09050000
#define SMMU2_BASE      0x090e0000

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

#define PAGE(n)         ((uint64_t)(n) * 4096)

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

#define STE_BYPASS      (4 << 1 | 1)

#define PTE_RW          (0x3 | 1 << 6 | 1 << 10)
#define PTE_RO          (PTE_RW | 1 << 7)

#define US              1000LL
#define T_US            1000            /* atc-inv-timeout-us */
#define T               (T_US * US)

/* Functions: 00:02.0 and 00:03.0, 00:04.0 has no ATS; a test may add 00:05.0 */
#define SID_A           0x10
#define SID_B           0x18
#define SID_NO_ATS      0x20
#define SID_EXTRA       0x28
#define SID_NOBODY      0x80

/* One SMMU, and what it is given in memory */
typedef struct {
    QTestState *qts;
    uint64_t smmu;
    uint64_t cmdq;
    uint64_t evtq;
    uint64_t strtab;
    uint32_t prod;
} ATSBench;

/* Start a machine with @args besides the usual ones, and set up its SMMU */
void ats_bench_start(ATSBench *t, const char *args);
void ats_bench_end(ATSBench *t);
/* Set up SMMU and functions, after a start or a reset of the machine */
void ats_bench_setup(ATSBench *t);
/* The second SMMU of the machine of @t */
ATSBench ats_bench_second_smmu(ATSBench *t);
void ats_bench_step(ATSBench *t, int64_t ns);

void smmu_writel(ATSBench *t, uint32_t reg, uint32_t val);
uint32_t smmu_readl(ATSBench *t, uint32_t reg);

/* Start the queues anew, from empty ones */
void smmu_restart(ATSBench *t, uint32_t cr0, unsigned int evtq_log2);

/*
 * Tables. All streams share one address space: IOVA page n maps page n of
 * PAGES. The SMMU may still use what it has cached.
 */
void smmu_map(ATSBench *t, unsigned int page, uint64_t pte_bits);
uint64_t smmu_page(ATSBench *t, unsigned int page);
void smmu_set_cd(ATSBench *t, uint64_t cd, uint64_t ttb, unsigned int asid);
void smmu_set_ste(ATSBench *t, uint32_t sid, uint32_t eats);
/* Write the STE, and tell the SMMU */
void smmu_change_ste(ATSBench *t, uint32_t sid, uint32_t eats);
void smmu_bypass_ste(ATSBench *t, uint32_t sid);
/* CD and STE */
void smmu_setup_stream(ATSBench *t, uint32_t sid);

/* Put a command into the queue; smmu_ring() shows it to the SMMU */
void smmu_push(ATSBench *t, uint64_t dw0, uint64_t dw1);
void smmu_push_sync(ATSBench *t);
void smmu_push_cfgi_ste(ATSBench *t, uint32_t sid);
void smmu_push_atc_inv(ATSBench *t, uint32_t sid, uint64_t addr,
                       unsigned int size);
/* @n requests for pages 0, 1, ... */
void smmu_push_atc_invs(ATSBench *t, uint32_t sid, unsigned int n);
void smmu_ring(ATSBench *t);
/* A CMD_SYNC behind what was pushed, and ring */
void smmu_submit(ATSBench *t);
/* CMD_ATC_INV and CMD_SYNC */
void smmu_invalidate(ATSBench *t, uint32_t sid, uint64_t addr,
                     unsigned int size);
/* Overwrite command @n in memory */
void smmu_overwrite(ATSBench *t, unsigned int n, uint64_t dw0);

bool smmu_active(ATSBench *t, uint32_t bit);
void smmu_acknowledge(ATSBench *t, uint32_t bit);
uint32_t smmu_events(ATSBench *t);

/* Word 4 of event @n: the address that was on the bus */
uint64_t smmu_event_addr(ATSBench *t, unsigned int n);

/* The queue stands, without error, with its head at command @n */
#define expect_waiting(t, n) do {                                           \
        g_assert_cmpuint(smmu_readl(t, CMDQ_CONS) & 0xfffff, ==, n);        \
        g_assert_false(smmu_active(t, GERROR_CMDQ));                        \
    } while (0)

#define expect_done(t) expect_waiting(t, (t)->prod)

/* The queue stands at command @n, which has raised @err */
#define expect_error(t, n, err) do {                                        \
        g_assert_cmpuint(smmu_readl(t, CMDQ_CONS) & 0xfffff, ==, n);        \
        g_assert_true(smmu_active(t, GERROR_CMDQ));                         \
        g_assert_cmphex(smmu_readl(t, CMDQ_CONS) >> 24 & 0x7f, ==, err);    \
    } while (0)

#define expect_sync_error(t, n) expect_error(t, n, CERROR_ATC_INV_SYNC)

/* The CMD_SYNC at @n fails within T */
#define expect_timeout(t, n) do {                                           \
        ats_bench_step(t, T);                                               \
        expect_sync_error(t, n);                                            \
    } while (0)

/* The CMD_SYNC at @n, which has begun to wait just now, fails after T */
#define expect_exact_timeout(t, n) do {                                     \
        ats_bench_step(t, T - 1);                                           \
        expect_waiting(t, n);                                               \
        ats_bench_step(t, 1);                                               \
        expect_sync_error(t, n);                                            \
    } while (0)

/* The acknowledge resumes the queue, and all completes */
#define expect_recovery(t) do {                                             \
        smmu_acknowledge(t, GERROR_CMDQ);                                   \
        expect_done(t);                                                     \
    } while (0)

#define expect_synced(t) do {                                               \
        smmu_submit(t);                                                     \
        expect_done(t);                                                     \
    } while (0)

#define expect_answered(t, sid, addr, size) do {                            \
        smmu_invalidate(t, sid, addr, size);                                \
        expect_done(t);                                                     \
    } while (0)

#define expect_events(t, n) g_assert_cmpuint(smmu_events(t), ==, n)

#define expect_event(t, n, type, sid) do {                                  \
        uint64_t evt_ = (t)->evtq + (n) * 32;                               \
        g_assert_cmphex(qtest_readb((t)->qts, evt_), ==, type);             \
        g_assert_cmphex(qtest_readl((t)->qts, evt_ + 4), ==, sid);          \
    } while (0)

/* SSV and SubstreamID of event @n */
#define expect_ssid(t, n, ssv, ssid)                                        \
    g_assert_cmphex(qtest_readl((t)->qts, (t)->evtq + (n) * 32) >> 11, ==,  \
                    (ssv) | (ssid) << 1)

#define expect_page(t, page, val)                                           \
    g_assert_cmphex(smmu_page(t, page), ==, val)

#endif
