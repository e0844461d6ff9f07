/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest for ATS: the states of the SMMUv3's command queue
 */

#include "qemu/osdep.h"
#include "ats-testdev-cases.h"

static void test_answered(ATSBench *t)
{
    g_assert_true(smmu_readl(t, IDR0) & IDR0_ATS);
    expect_fill(t, SID_A, 0, 8, ATD_OK);
    expect_entries(t, SID_A, 8);

    /* Two pages, then the rest */
    expect_answered(t, SID_A, PAGE(2), 1);
    expect_entries(t, SID_A, 6);
    expect_answered(t, SID_A, 0, SIZE_ALL);
    expect_counters(t, SID_A,
                    { ATD_ATC_ENTRIES, 0 },
                    { ATD_INV_RECEIVED, 2 },
                    { ATD_INV_ANSWERED, 2 });

    ats_bench_step(t, 10 * T);
    expect_done(t);
}

/* The CMD_SYNC waits, commands behind it do not begin, and all goes on */
static void test_late(ATSBench *t)
{
    expect_fill(t, SID_A, 0, 1, ATD_OK);
    atd_set_mode(t, SID_A, ATD_INV_LATE, 600);
    smmu_push_atc_inv(t, SID_A, 0, 0);
    smmu_push_sync(t);
    smmu_invalidate(t, SID_B, 0, 0);
    expect_waiting(t, 1);
    expect_counters(t, SID_A, { ATD_INV_PENDING, 1 }, { ATD_ATC_ENTRIES, 1 });
    /* It was fetched; its place in memory does not matter any more */
    smmu_overwrite(t, 1, OP_ILLEGAL);
    smmu_ring(t);
    expect_waiting(t, 1);
    ats_bench_step(t, 600 * US - 1);
    expect_waiting(t, 1);
    expect_counter(t, SID_B, ATD_INV_RECEIVED, 0);
    ats_bench_step(t, 1);
    expect_done(t);
    expect_counters(t, SID_A, { ATD_INV_PENDING, 0 }, { ATD_ATC_ENTRIES, 0 });
    expect_counter(t, SID_B, ATD_INV_RECEIVED, 1);

    /* The next wait has the whole timeout, not the rest of this one */
    smmu_invalidate(t, SID_A, 0, 0);
    ats_bench_step(t, 599 * US);
    expect_waiting(t, 5);
    ats_bench_step(t, 1 * US);
    expect_done(t);
}

/* 4.7.3 and 7.1, word by word */
static void test_never(ATSBench *t)
{
    atd_set_mode(t, SID_A, ATD_INV_NEVER, 0);
    smmu_push_atc_inv(t, SID_A, 0, 0);
    smmu_push_sync(t);
    smmu_invalidate(t, SID_B, 0, 0);
    expect_exact_timeout(t, 1);

    /* Nothing is consumed while the error is active, whatever is rung */
    smmu_invalidate(t, SID_B, 0, 0);
    ats_bench_step(t, 5 * T);
    expect_sync_error(t, 1);
    expect_counter(t, SID_B, ATD_INV_RECEIVED, 0);

    /* The acknowledge alone resumes, and the CMD_SYNC is fetched again */
    expect_recovery(t);
    expect_counter(t, SID_B, ATD_INV_RECEIVED, 2);
    expect_counter(t, SID_A, ATD_INV_IGNORED, 1);
}

/* What software put in place of the CMD_SYNC is what is fetched on resume */
static void test_refetch(ATSBench *t)
{
    atd_set_mode(t, SID_A, ATD_INV_NEVER, 0);
    smmu_invalidate(t, SID_A, 0, 0);
    expect_timeout(t, 1);
    smmu_overwrite(t, 1, OP_ATC_INV | (uint64_t)SID_B << 32);
    expect_recovery(t);
    expect_counter(t, SID_B, ATD_INV_RECEIVED, 1);
}

/* An answer to a request that was given up completes no other */
static void test_dropped(ATSBench *t)
{
    atd_set_mode(t, SID_A, ATD_INV_LATE, 3 * T_US);
    smmu_invalidate(t, SID_A, 0, 0);
    expect_timeout(t, 1);
    expect_recovery(t);

    ats_bench_step(t, T + T / 2);
    atd_set_mode(t, SID_A, ATD_INV_NEVER, 0);
    smmu_invalidate(t, SID_A, 0, 0);
    expect_waiting(t, 3);
    ats_bench_step(t, T / 2);
    expect_counter(t, SID_A, ATD_INV_ANSWERED, 1);
    expect_waiting(t, 3);
    ats_bench_step(t, T / 2);
    expect_sync_error(t, 3);

    /* Also while the error is active */
    smmu_acknowledge(t, GERROR_CMDQ);
    atd_set_mode(t, SID_A, ATD_INV_LATE, T_US + 1);
    smmu_invalidate(t, SID_A, 0, 0);
    expect_timeout(t, 5);
    ats_bench_step(t, T);
    expect_counter(t, SID_A, ATD_INV_ANSWERED, 2);
    expect_sync_error(t, 5);
    expect_recovery(t);
}

static void test_sticky(ATSBench *t)
{
    atd_set_mode(t, SID_A, ATD_INV_NEVER, 0);
    for (int round = 0; round < 2; round++) {
        uint32_t sync = t->prod + 1;

        smmu_invalidate(t, SID_A, 0, 0);
        for (int i = 0; i < 3; i++) {
            expect_exact_timeout(t, sync);
            smmu_acknowledge(t, GERROR_CMDQ);
        }
        expect_done(t);
    }

    /* Only a timeout is sticky */
    expect_answered(t, SID_B, 0, 0);
}

/* 3.9.1.4: incomplete for ever, and no error. A late answer in time helps. */
static void test_hang(ATSBench *t)
{
    atd_set_mode(t, SID_A, ATD_INV_LATE, T_US - 1);
    smmu_invalidate(t, SID_A, 0, 0);
    ats_bench_step(t, T);
    expect_done(t);

    atd_set_mode(t, SID_A, ATD_INV_LATE, T_US + 1);
    smmu_push_atc_inv(t, SID_A, 0, 0);
    smmu_push_sync(t);
    smmu_push_atc_inv(t, SID_B, 0, 0);
    smmu_ring(t);
    ats_bench_step(t, 200 * T);
    expect_waiting(t, 3);
    /* Not even when a driver that gave up writes over it */
    smmu_overwrite(t, 3, OP_TLBI_NSNH);
    smmu_ring(t);
    expect_waiting(t, 3);
    expect_counter(t, SID_A, ATD_INV_ANSWERED, 2);
    expect_counter(t, SID_B, ATD_INV_RECEIVED, 0);

    /* Disabling the queue is the way out */
    smmu_restart(t, CR0_ALL, 6);
    expect_synced(t);
}

/* A driver that relies on having stopped the SMMU has to look whether it has */
static void test_smmuen_stuck(ATSBench *t)
{
    g_assert_cmphex(smmu_readl(t, CR0ACK), ==, CR0_ALL);
    smmu_writel(t, CR0, 0);
    g_assert_cmphex(smmu_readl(t, CR0ACK), ==, CR0_SMMUEN);
}

/* The error names no function; a retry one by one finds the dead one */
static void test_one_dead_of_two(ATSBench *t)
{
    expect_fill(t, SID_A, 0, 4, ATD_OK);
    expect_fill(t, SID_B, 0, 4, ATD_OK);
    atd_set_mode(t, SID_A, ATD_INV_NEVER, 0);
    smmu_push_atc_inv(t, SID_A, 0, 2);
    smmu_invalidate(t, SID_B, 0, 2);
    expect_entries(t, SID_B, 0);
    expect_entries(t, SID_A, 4);
    expect_timeout(t, 2);
    expect_recovery(t);

    expect_answered(t, SID_B, 0, 2);
    smmu_invalidate(t, SID_A, 0, 2);
    expect_timeout(t, 6);
    expect_recovery(t);
}

/* "Outstanding" reaches back over other commands */
static void test_unsynced(ATSBench *t)
{
    atd_set_mode(t, SID_A, ATD_INV_NEVER, 0);
    smmu_push_atc_inv(t, SID_A, 0, 0);
    smmu_ring(t);
    expect_done(t);
    ats_bench_step(t, 3 * T);
    expect_done(t);

    /* The timeout runs from here */
    smmu_invalidate(t, SID_B, 0, 0);
    expect_exact_timeout(t, 2);
}

/* Errors side by side: GERROR has a bit for each and one for the queue */
static void test_other_error_pending(ATSBench *t)
{
    /* One event fits, the second aborts */
    smmu_restart(t, CR0_ALL, 0);
    smmu_map(t, 1, 0);
    for (int i = 0; i < 2; i++) {
        expect_write(t, SID_A, ATD_ATTR_UNTRANSLATED, PAGE(1), 0, ATD_E_FAULT);
    }
    g_assert_true(smmu_active(t, GERROR_EVTQ_ABT));

    atd_set_mode(t, SID_A, ATD_INV_NEVER, 0);
    smmu_invalidate(t, SID_A, 0, 0);
    expect_timeout(t, 1);
    g_assert_true(smmu_active(t, GERROR_EVTQ_ABT));

    /* Acknowledging the other one does not resume the queue */
    smmu_acknowledge(t, GERROR_EVTQ_ABT);
    expect_sync_error(t, 1);
    expect_recovery(t);

    /* An illegal command in front of the CMD_SYNC that would time out */
    smmu_push_atc_inv(t, SID_A, 0, 0);
    smmu_push(t, OP_ILLEGAL, 0);
    smmu_submit(t);
    expect_error(t, 3, CERROR_ILL);
    ats_bench_step(t, 3 * T);
    expect_error(t, 3, CERROR_ILL);
    smmu_overwrite(t, 3, OP_SYNC);
    smmu_acknowledge(t, GERROR_CMDQ);
    expect_waiting(t, 3);
    expect_timeout(t, 3);
    expect_recovery(t);
}

/*
 * The 33rd request of a function waits in the queue, for an answer or for T,
 * and what it waited for in vain is what the CMD_SYNC need not wait for again
 */
static void test_outstanding_limit(ATSBench *t)
{
    atd_set_mode(t, SID_A, ATD_INV_LATE, 500);
    smmu_push_atc_invs(t, SID_A, 32);
    smmu_ring(t);
    expect_done(t);
    /* Another function has a limit of its own */
    smmu_push_atc_inv(t, SID_B, 0, 0);
    smmu_ring(t);
    expect_done(t);
    smmu_invalidate(t, SID_A, 0, 0);
    expect_waiting(t, 33);
    expect_counter(t, SID_A, ATD_INV_PENDING, 32);
    ats_bench_step(t, 500 * US);
    expect_waiting(t, 34);
    expect_counter(t, SID_A, ATD_INV_PENDING, 1);
    ats_bench_step(t, 500 * US);
    expect_done(t);

    /* Dead: T for the first 32, and nothing more for the others */
    atd_set_mode(t, SID_A, ATD_INV_NEVER, 0);
    smmu_push_atc_invs(t, SID_A, 33);
    smmu_submit(t);
    ats_bench_step(t, T - 1);
    expect_waiting(t, 35 + 32);
    ats_bench_step(t, 1);
    expect_sync_error(t, 35 + 33);
    expect_recovery(t);
    expect_counter(t, SID_A, ATD_INV_IGNORED, 33);

    /* More than 64 wait for T once more */
    smmu_restart(t, CR0_ALL, 6);
    smmu_push_atc_invs(t, SID_A, 65);
    smmu_submit(t);
    expect_waiting(t, 32);
    ats_bench_step(t, T);
    expect_waiting(t, 64);
    expect_timeout(t, 65);
    expect_recovery(t);

    /* A request that waited and was given up counts, if all others answer */
    smmu_push_atc_invs(t, SID_A, 32);
    smmu_ring(t);
    atd_set_mode(t, SID_A, ATD_INV_ANSWER, 0);
    smmu_invalidate(t, SID_A, 0, 0);
    expect_timeout(t, 66 + 33);
    expect_recovery(t);
}

/* 3.9.1.5: an Unsupported Request is a completion without error */
static void test_unsupported_request(ATSBench *t)
{
    smmu_push_atc_inv(t, SID_NO_ATS, 0, 0);
    expect_answered(t, SID_NOBODY, 0, 0);
    expect_counter(t, SID_NO_ATS, ATD_INV_RECEIVED, 0);
}

/* A function answers with ATSCtl.E = 0 as well */
static void test_answer_while_disabled(ATSBench *t)
{
    uint32_t ats = atd_ext_cap(t, SID_A, PCI_EXT_CAP_ID_ATS);

    atd_cfg_writew(t, SID_A, ats + PCI_ATS_CTRL, 0);
    expect_fill(t, SID_A, 0, 1, ATD_E_ATS_OFF);
    expect_answered(t, SID_A, 0, 0);
    expect_counter(t, SID_A, ATD_INV_ANSWERED, 1);
}

/* 4.5.1: ILLEGAL without ATS; ATS = off is the default */
static void test_smmu_without_ats(ATSBench *t)
{
    g_assert_false(smmu_readl(t, IDR0) & (IDR0_ATS | IDR0_MSI));
    smmu_push_sync(t);
    smmu_push_atc_inv(t, SID_A, 0, 0);
    smmu_ring(t);
    expect_error(t, 1, CERROR_ILL);
    expect_counter(t, SID_A, ATD_INV_RECEIVED, 0);

    expect_fill(t, SID_A, 0, 1, ATD_E_DENIED);
    expect_write(t, SID_A, ATD_ATTR_RAW_TRANSLATED, PAGES, 1, ATD_E_FAULT);
    smmu_writel(t, CR0, CR0_ALL & ~CR0_ATSCHK);
    expect_write(t, SID_A, ATD_ATTR_RAW_TRANSLATED, PAGES, 1, ATD_E_FAULT);
    /* EATS is IGNORED, a value that would be illegal as well */
    smmu_set_ste(t, SID_B, 3);
    expect_write(t, SID_B, ATD_ATTR_UNTRANSLATED, 0, 1, ATD_OK);
}

/* 4.5.1: IGNORED when SMMUEN = 0 */
static void test_smmu_disabled(ATSBench *t)
{
    smmu_writel(t, CR0, CR0_CMDQEN);
    expect_answered(t, SID_A, 0, 0);
    expect_counter(t, SID_A, ATD_INV_RECEIVED, 0);
}

/*
 * A dead function stops the queue for all others: a TLBI behind it has not
 * happened, and a neighbour without ATS still writes through the old entry.
 */
static void test_tlbi_behind_stuck_sync(ATSBench *t)
{
    const uint64_t addr = PAGE(5);

    expect_write(t, SID_NO_ATS, ATD_ATTR_UNTRANSLATED, addr, 0x11, ATD_OK);
    expect_page(t, 5, 0x11);
    smmu_map(t, 5, 0);

    atd_set_mode(t, SID_A, ATD_INV_NEVER, 0);
    smmu_push_atc_inv(t, SID_A, 0, 0);
    smmu_push_sync(t);
    smmu_push(t, OP_TLBI_NSNH, 0);
    smmu_submit(t);
    expect_waiting(t, 1);
    expect_write(t, SID_NO_ATS, ATD_ATTR_UNTRANSLATED, addr, 0x22, ATD_OK);
    expect_page(t, 5, 0x22);
    expect_timeout(t, 1);
    expect_write(t, SID_NO_ATS, ATD_ATTR_UNTRANSLATED, addr, 0x33, ATD_OK);
    expect_recovery(t);
    expect_events(t, 0);
    expect_fault(t, SID_NO_ATS, ATD_ATTR_UNTRANSLATED, addr, EVT_F_TRANSLATION);
    expect_page(t, 5, 0x33);
}

/* A CMD_SYNC with an MSI writes when it completes, and not when it fails */
static void test_msi(ATSBench *t)
{
    const uint64_t sync = OP_SYNC | 1 << 12 | 0x5a5aULL << 32;

    g_assert_true(smmu_readl(t, IDR0) & IDR0_MSI);
    smmu_push(t, sync, MSI_DOORBELL);
    smmu_ring(t);
    expect_done(t);
    g_assert_cmphex(qtest_readl(t->qts, MSI_DOORBELL), ==, 0x5a5a);

    qtest_writel(t->qts, MSI_DOORBELL, ~0);
    atd_set_mode(t, SID_A, ATD_INV_NEVER, 0);
    smmu_push_atc_inv(t, SID_A, 0, 0);
    smmu_push(t, sync, MSI_DOORBELL);
    smmu_ring(t);
    expect_waiting(t, 2);
    qtest_writeq(t->qts, SMMU_BASE + GERROR_IRQ_CFG0, MSI_DOORBELL + 8);
    smmu_writel(t, GERROR_IRQ_CFG1, 0xa5a5);
    smmu_writel(t, IRQ_CTRL, 1);
    expect_timeout(t, 2);
    g_assert_cmphex(qtest_readl(t->qts, MSI_DOORBELL), ==, UINT32_MAX);
    g_assert_cmphex(qtest_readl(t->qts, MSI_DOORBELL + 8), ==, 0xa5a5);
    expect_recovery(t);
    g_assert_cmphex(qtest_readl(t->qts, MSI_DOORBELL), ==, 0x5a5a);
}

const ATSCase ats_queue_cases[] = {
    { "/ats/queue/answered", test_answered },
    { "/ats/queue/late", test_late },
    { "/ats/queue/never", test_never },
    { "/ats/queue/refetch", test_refetch },
    { "/ats/queue/dropped", test_dropped },
    { "/ats/queue/sticky", test_sticky,
      "-global arm-smmuv3.atc-inv-sticky=2" },
    { "/ats/queue/hang", test_hang,
      "-global arm-smmuv3.cmd-sync-hang=on" },
    { "/ats/queue/smmuen-stuck", test_smmuen_stuck,
      "-global arm-smmuv3.smmuen-stuck=on" },
    { "/ats/queue/one-dead-of-two", test_one_dead_of_two },
    { "/ats/queue/unsynced", test_unsynced },
    { "/ats/queue/other-error-pending", test_other_error_pending },
    { "/ats/queue/outstanding-limit", test_outstanding_limit },
    { "/ats/queue/unsupported-request", test_unsupported_request },
    { "/ats/queue/answer-while-disabled", test_answer_while_disabled },
    { "/ats/queue/smmu-without-ats", test_smmu_without_ats,
      "-global arm-smmuv3.ats=off" },
    { "/ats/queue/smmu-disabled", test_smmu_disabled },
    { "/ats/queue/tlbi-behind-stuck-sync", test_tlbi_behind_stuck_sync },
    { "/ats/queue/msi", test_msi, "-global arm-smmuv3.msi=on" },
    { }
};
