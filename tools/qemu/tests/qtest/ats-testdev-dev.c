/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest for ATS: ats-testdev itself
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "ats-testdev-cases.h"

static void test_inv_modes(ATSBench *t)
{
    /* lie: answered, entries kept */
    expect_fill(t, SID_A, 0, 4, ATD_OK);
    atd_set_mode(t, SID_A, ATD_INV_LIE, 0);
    expect_answered(t, SID_A, 0, SIZE_ALL);
    expect_entries(t, SID_A, 4);

    /* stop-after: two answers, then dead */
    atd_set_mode(t, SID_A, ATD_INV_STOP_AFTER, 2);
    smmu_push_atc_inv(t, SID_A, 0, 0);
    expect_answered(t, SID_A, PAGE(1), 0);
    expect_entries(t, SID_A, 2);
    smmu_invalidate(t, SID_A, PAGE(2), 0);
    expect_timeout(t, 6);
    smmu_acknowledge(t, GERROR_CMDQ);
    expect_reg(t, SID_A, ATD_INV_MODE, ATD_INV_NEVER_UNTIL_RESET);
    expect_entries(t, SID_A, 2);

    /* a reset revives it, but not one that never answers */
    expect_cmd(t, SID_A, ATD_CMD_FAST_RESET, ATD_OK);
    expect_reg(t, SID_A, ATD_INV_MODE, ATD_INV_ANSWER);
    expect_entries(t, SID_A, 0);
    atd_set_mode(t, SID_A, ATD_INV_NEVER, 0);
    atd_cmd(t, SID_A, ATD_CMD_FAST_RESET);
    expect_reg(t, SID_A, ATD_INV_MODE, ATD_INV_NEVER);
    expect_counter(t, SID_A, ATD_RESETS, 2);

    /* lossy: none of 1000, all of 1000 */
    atd_set_mode(t, SID_B, ATD_INV_LOSSY, 0);
    smmu_push_atc_invs(t, SID_B, 20);
    expect_synced(t);
    atd_set_mode(t, SID_B, ATD_INV_LOSSY, 1000);
    smmu_invalidate(t, SID_B, 0, 0);
    expect_waiting(t, t->prod - 1);
    expect_timeout(t, t->prod - 1);
}

/* Which of 32 requests to a lossy function with @seed are lost, as bits */
static uint32_t lost_requests(int seed)
{
    g_autofree char *args = g_strdup_printf(
        "-device ats-testdev,addr=5.0,inv-mode=lossy,inv-arg=500,seed=%d",
        seed);
    uint32_t lost = 0;
    ATSBench t;

    ats_bench_start(&t, args);
    atd_enable(&t, SID_EXTRA);
    for (int n = 0; n < 32; n++) {
        uint64_t before = atd_readq(&t, SID_EXTRA, ATD_INV_IGNORED);

        smmu_push_atc_inv(&t, SID_EXTRA, 0, 0);
        smmu_ring(&t);
        lost = lost << 1 |
               (atd_readq(&t, SID_EXTRA, ATD_INV_IGNORED) - before);
    }
    g_assert_cmpuint(atd_readq(&t, SID_EXTRA, ATD_INV_IGNORED), >, 4);
    g_assert_cmpuint(atd_readq(&t, SID_EXTRA, ATD_INV_ANSWERED), >, 4);
    ats_bench_end(&t);
    return lost;
}

/* The same seed loses the same requests */
static void test_lossy_seed(ATSBench *t)
{
    uint32_t lost = lost_requests(7);

    g_assert_cmphex(lost, ==, lost_requests(7));
    g_assert_cmphex(lost, !=, lost_requests(8));
}

static void qom_set(ATSBench *t, const char *property, const char *json)
{
    g_autofree char *command = g_strdup_printf(
        "{ 'execute': 'qom-set', 'arguments': {"
        " 'path': '/machine/peripheral/a', 'property': '%s', 'value': %s } }",
        property, json);
    QDict *response = qtest_qmp(t->qts, command, NULL);

    g_assert_true(qdict_haskey(response, "return"));
    qobject_unref(response);
}

/* The mode can be changed from the host, while the machine runs */
static void test_qom_set(ATSBench *t)
{
    atd_enable(t, SID_EXTRA);
    expect_reg(t, SID_EXTRA, ATD_INV_MODE, ATD_INV_NEVER_UNTIL_RESET);
    expect_counter(t, SID_EXTRA, ATD_RESETS, 0);

    qom_set(t, "inv-mode", "'late'");
    qom_set(t, "inv-arg", "42");
    expect_reg(t, SID_A, ATD_INV_MODE, ATD_INV_LATE);
    expect_reg(t, SID_A, ATD_INV_ARG, 42);
}

static void test_hammer(ATSBench *t)
{
    uint64_t now;

    expect_fill(t, SID_A, 0, 2, ATD_OK);
    atd_writel(t, SID_A, ATD_HAMMER_PERIOD, 10000);
    atd_writeq(t, SID_A, ATD_HAMMER_PATTERN, 0x1000);
    atd_hammer(t, SID_A, 0, 4, ATD_ATTR_ATC, 0);
    ats_bench_step(t, 80 * US);
    /* Pages 0 and 1 are cached, 2 and 3 are not */
    expect_counters(t, SID_A,
                    { ATD_ACCEPTED, 4 },
                    { ATD_MISSED, 4 },
                    { ATD_ACCEPTED_AFTER, 0 });
    expect_page(t, 0, 0x1004);
    expect_page(t, 1, 0x1005);

    now = atd_mark(t, SID_A);
    expect_counter(t, SID_A, ATD_MARK_TIME, now);
    ats_bench_step(t, 40 * US);
    expect_counters(t, SID_A,
                    { ATD_ACCEPTED_AFTER, 2 },
                    { ATD_FIRST_ACCEPTED_AFTER, now + 10000 },
                    { ATD_LAST_ACCEPTED_AFTER, now + 20000 },
                    { ATD_MISSED_AFTER, 2 });

    /* The fence: what landed is refused from here on */
    smmu_change_ste(t, SID_A, 0);
    now = atd_mark(t, SID_A);
    ats_bench_step(t, 4000 * US);
    expect_counters(t, SID_A,
                    { ATD_ACCEPTED_AFTER, 0 },
                    { ATD_REFUSED_AFTER, 200 },
                    { ATD_FIRST_REFUSED_AFTER, now + 10000 });
    expect_page(t, 0, 0x1008);
    atd_writel(t, SID_A, ATD_MARK, ATD_MARK_STOP);
    ats_bench_step(t, 40 * US);
    expect_counter(t, SID_A, ATD_REFUSED_AFTER, 200);

    /* A miss that is refilled first */
    atd_hammer(t, SID_B, 9, 1, ATD_ATTR_ATC, ATD_HAMMER_REFILL);
    ats_bench_step(t, 1 * US);
    expect_counters(t, SID_B, { ATD_ACCEPTED, 1 }, { ATD_ATC_FILLS, 1 });

    expect_cmd(t, SID_B, ATD_CMD_CLEAR_COUNTERS, ATD_OK);
    expect_counter(t, SID_B, ATD_ACCEPTED, 0);
}

/* 20 us of the hammer, none of whose writes the function may send */
static void expect_silence(ATSBench *t)
{
    const ATDCounter before[] = {
        { ATD_ACCEPTED, atd_readq(t, SID_A, ATD_ACCEPTED) },
        { ATD_REFUSED, atd_readq(t, SID_A, ATD_REFUSED) },
        { ATD_MISSED, atd_readq(t, SID_A, ATD_MISSED) },
        { ATD_ATC_FILLS, atd_readq(t, SID_A, ATD_ATC_FILLS) },
    };
    uint64_t silent = atd_readq(t, SID_A, ATD_SILENT);

    atd_mark(t, SID_A);
    ats_bench_step(t, 20 * US);
    expect_counters(t, SID_A, before[0], before[1], before[2], before[3],
                    { ATD_SILENT, silent + 20 },
                    { ATD_SILENT_AFTER, 20 },
                    { ATD_ACCEPTED_AFTER, 0 },
                    { ATD_REFUSED_AFTER, 0 },
                    { ATD_MISSED_AFTER, 0 });
}

/* Writes that a function must not send show nothing about the SMMU */
static void test_silent(ATSBench *t)
{
    static const uint32_t attrs[] = {
        ATD_ATTR_ATC, ATD_ATTR_UNTRANSLATED, ATD_ATTR_RAW_TRANSLATED,
    };
    uint32_t ats = atd_ext_cap(t, SID_A, PCI_EXT_CAP_ID_ATS);
    uint32_t pm = atd_cap(t, SID_A, PCI_CAP_ID_PM);

    expect_fill(t, SID_A, 0, 1, ATD_OK);
    for (int i = 0; i < ARRAY_SIZE(attrs); i++) {
        atd_hammer(t, SID_A, 0, 1, attrs[i], ATD_HAMMER_REFILL);

        atd_cfg_writew(t, SID_A, PCI_COMMAND, PCI_COMMAND_MEMORY);
        expect_silence(t);
        expect_write(t, SID_A, attrs[i], 0, 1, ATD_E_SILENT);
        expect_fill(t, SID_A, 0, 1, ATD_E_SILENT);
        atd_cfg_writew(t, SID_A, PCI_COMMAND,
                       PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
        atd_cmd(t, SID_A, ATD_CMD_CLEAR_COUNTERS);
    }
    expect_events(t, 0);

    /* ATS disabled, and a PASID that is not enabled */
    atd_hammer(t, SID_A, 0, 1, ATD_ATTR_ATC, 0);
    atd_cfg_writew(t, SID_A, ats + PCI_ATS_CTRL, 0);
    expect_silence(t);
    atd_cfg_writew(t, SID_A, ats + PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE);
    atd_writel(t, SID_A, ATD_HAMMER_PASID, ATD_PASID_VALID | 1);
    expect_silence(t);
    atd_writel(t, SID_A, ATD_HAMMER_PASID, 0);
    /* In D3hot only configuration space answers: read the counters after it */
    expect_cmd(t, SID_A, ATD_CMD_CLEAR_COUNTERS, ATD_OK);
    atd_cfg_writew(t, SID_A, pm + PCI_PM_CTRL, 3);
    ats_bench_step(t, 20 * US);
    atd_cfg_writew(t, SID_A, pm + PCI_PM_CTRL, 0);
    atd_enable(t, SID_A);
    expect_counters(t, SID_A,
                    { ATD_SILENT, 20 },
                    { ATD_REFUSED, 0 },
                    { ATD_MISSED, 0 },
                    { ATD_ACCEPTED, 0 });
    expect_events(t, 0);
}

/* A reset: quiet, ATC empty, the mode as told, counters kept */
static void expect_was_reset(ATSBench *t, uint32_t mode)
{
    atd_enable(t, SID_A);
    expect_counters(t, SID_A,
                    { ATD_ATC_ENTRIES, 0 },
                    { ATD_INV_PENDING, 0 },
                    { ATD_ACCEPTED, 100 },
                    { ATD_RESETS, 1 });
    expect_reg(t, SID_A, ATD_HAMMER_CTRL, 0);
    expect_reg(t, SID_A, ATD_INV_MODE, mode);
}

/* A Function Level Reset: ATS off, nothing outstanding */
static void test_flr(ATSBench *t)
{
    uint32_t ats = atd_ext_cap(t, SID_A, PCI_EXT_CAP_ID_ATS);
    uint32_t exp = atd_cap(t, SID_A, PCI_CAP_ID_EXP);

    g_assert_cmphex(exp, !=, 0);
    g_assert_cmphex(atd_ext_cap(t, SID_A, PCI_EXT_CAP_ID_ERR), !=, 0);
    g_assert_cmphex(atd_cap(t, SID_A, PCI_CAP_ID_MSI), !=, 0);
    /* Linux: page-aligned requests, and an STU that it can set to 0 */
    g_assert_true(atd_cfg_readw(t, SID_A, ats + PCI_ATS_CAP) &
                  PCI_ATS_CAP_PAGE_ALIGNED);
    g_assert_true(atd_cfg_readl(t, SID_A, exp + PCI_EXP_DEVCAP) &
                  PCI_EXP_DEVCAP_FLR);

    expect_fill(t, SID_A, 0, 4, ATD_OK);
    atd_hammer(t, SID_A, 0, 1, ATD_ATTR_ATC, 0);
    atd_set_mode(t, SID_A, ATD_INV_LATE, 500);
    smmu_invalidate(t, SID_A, PAGE(8), 0);
    ats_bench_step(t, 100 * US);
    expect_counter(t, SID_A, ATD_ACCEPTED, 100);

    atd_flr(t, SID_A);
    expect_cfg(t, SID_A, ats + PCI_ATS_CTRL, 0);
    /* The answer is lost with the reset */
    ats_bench_step(t, 890 * US);
    expect_waiting(t, 1);
    ats_bench_step(t, 10 * US);
    expect_sync_error(t, 1);
    expect_recovery(t);
    expect_was_reset(t, ATD_INV_LATE);
}

/*
 * D3hot and back, without No_Soft_Reset: the reset of Linux' "pm" method, which
 * resets what an FLR does, in less time
 */
static void test_pm_reset(ATSBench *t)
{
    uint32_t ats = atd_ext_cap(t, SID_A, PCI_EXT_CAP_ID_ATS);
    uint32_t pm = atd_cap(t, SID_A, PCI_CAP_ID_PM);
    uint32_t pmcsr = pm + PCI_PM_CTRL;

    g_assert_cmphex(pm, !=, 0);
    g_assert_false(atd_cfg_readw(t, SID_A, pmcsr) & PCI_PM_CTRL_NO_SOFT_RESET);
    expect_fill(t, SID_A, 0, 4, ATD_OK);
    atd_hammer(t, SID_A, 0, 1, ATD_ATTR_ATC, 0);
    ats_bench_step(t, 100 * US);
    expect_counter(t, SID_A, ATD_ACCEPTED, 100);
    atd_set_mode(t, SID_A, ATD_INV_NEVER_UNTIL_RESET, 0);
    smmu_invalidate(t, SID_A, 0, SIZE_ALL);
    expect_waiting(t, 1);

    /* No memory request comes from D3hot; going there resets nothing */
    atd_cfg_writew(t, SID_A, pmcsr, 3);
    ats_bench_step(t, 100 * US);
    expect_page(t, 0, 99);
    expect_cfg(t, SID_A, ats + PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE);
    atd_cfg_writew(t, SID_A, pmcsr, 0);
    g_assert_false(atd_cfg_readw(t, SID_A, pmcsr) & PCI_PM_CTRL_STATE_MASK);
    expect_cfg(t, SID_A, ats + PCI_ATS_CTRL, 0);
    expect_cfg(t, SID_A, PCI_COMMAND, 0);

    expect_was_reset(t, ATD_INV_ANSWER);
    /* The request is forgotten, not answered */
    expect_timeout(t, 1);
    smmu_acknowledge(t, GERROR_CMDQ);
    expect_answered(t, SID_A, 0, SIZE_ALL);
}

#define PF      0x30
#define VF      0x31

static void enable_vfs(ATSBench *t)
{
    uint32_t sriov = atd_ext_cap(t, PF, PCI_EXT_CAP_ID_SRIOV);

    g_assert_cmphex(sriov, !=, 0);
    atd_cfg_writel(t, PF, sriov + PCI_SRIOV_BAR, atd_bar(VF));
    atd_cfg_writew(t, PF, sriov + PCI_SRIOV_NUM_VF, 2);
    atd_cfg_writew(t, PF, sriov + PCI_SRIOV_CTRL,
                   PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
    atd_enable(t, VF);
    atd_enable(t, VF + 1);
}

/* The PASID capability of the PF is there for its VFs, too */
static void expect_vf_shares_pasid(ATSBench *t)
{
    uint32_t ats = atd_ext_cap(t, VF, PCI_EXT_CAP_ID_ATS);

    g_assert_cmphex(atd_ext_cap(t, VF, PCI_EXT_CAP_ID_PASID), ==, 0);
    /* Global Invalidate Supported */
    g_assert_cmphex(ats, !=, 0);
    g_assert_true(atd_cfg_readw(t, VF, ats + PCI_ATS_CAP) & BIT(6));
    atd_set_pasid(t, VF, 1);
    expect_fill(t, VF, 0, 1, ATD_E_DENIED);
    atd_set_pasid(t, VF, 16);
    expect_fill(t, VF, 0, 1, ATD_E_PASID);
}

/* VFs are functions with an ATC of their own, while they are enabled */
static void test_sriov(ATSBench *t)
{
    for (int i = 0; i < 3; i++) {
        smmu_setup_stream(t, PF + i);
    }
    atd_enable(t, PF);

    /* Not enabled: no function answers, which is an Unsupported Request */
    expect_answered(t, VF, 0, SIZE_ALL);

    for (int round = 0; round < 2; round++) {
        enable_vfs(t);
        g_assert_cmphex(atd_ext_cap(t, VF, PCI_EXT_CAP_ID_SRIOV), ==, 0);
        expect_reg(t, VF, ATD_INV_MODE, ATD_INV_ANSWER);
        /* It was there for one of each round */
        expect_counter(t, VF, ATD_INV_RECEIVED, round);
        for (int i = 0; i < 3; i++) {
            expect_fill(t, PF + i, 0, i + 1, ATD_OK);
            expect_entries(t, PF + i, i + 1);
        }
        expect_write(t, VF, ATD_ATTR_ATC, 0, 0x11, ATD_OK);
        expect_vf_shares_pasid(t);

        /* One of them is dead */
        atd_set_mode(t, VF, ATD_INV_NEVER_UNTIL_RESET, 0);
        for (int i = 0; i < 3; i++) {
            smmu_push_atc_inv(t, PF + i, 0, SIZE_ALL);
        }
        smmu_submit(t);
        expect_timeout(t, t->prod - 1);
        expect_recovery(t);
        for (int i = 0; i < 3; i++) {
            expect_entries(t, PF + i, PF + i == VF ? 2 : 0);
        }

        /* An FLR of the PF takes its VFs away, and heals them */
        atd_flr(t, PF);
        g_assert_cmphex(atd_cfg_readl(t, VF, 0), ==, UINT32_MAX);
        expect_answered(t, VF, 0, SIZE_ALL);
        atd_enable(t, PF);
    }
}

/* A machine reset leaves nothing behind in the SMMU */
static void test_system_reset(ATSBench *t)
{
    atd_set_mode(t, SID_A, ATD_INV_NEVER_UNTIL_RESET, 0);
    smmu_invalidate(t, SID_A, 0, 0);
    expect_timeout(t, 1);
    qtest_system_reset(t->qts);
    ats_bench_setup(t);
    g_assert_cmphex(smmu_readl(t, GERROR), ==, 0);
    expect_answered(t, SID_A, 0, 0);
}

/* 64-bit registers take two halves, low word first */
static void test_registers(ATSBench *t)
{
    atd_writel(t, SID_A, ATD_DATA, 0x11223344);
    atd_writel(t, SID_A, ATD_DATA + 4, 0x55667788);
    expect_counter(t, SID_A, ATD_DATA, 0x5566778811223344);
    expect_reg(t, SID_A, ATD_DATA + 4, 0x55667788);
    expect_reg(t, SID_A, ATD_VERSION, 1);
    atd_writel(t, SID_A, ATD_HAMMER_PERIOD, 1);
    expect_reg(t, SID_A, ATD_HAMMER_PERIOD, 1000);
    atd_writel(t, SID_A, ATD_INV_MODE, 99);
    expect_reg(t, SID_A, ATD_INV_MODE, ATD_INV_ANSWER);
    expect_cmd(t, SID_A, 99, ATD_E_DECODE);
    expect_fill(t, SID_A, 0, 70000, ATD_E_FULL);
    g_assert_cmpuint(atd_lookup(t, SID_A, 0), ==, ATD_E_MISS);
    expect_fill(t, SID_A, 0, 1, ATD_OK);
    expect_cmd(t, SID_A, ATD_CMD_ATC_DROP, ATD_OK);
    expect_entries(t, SID_A, 0);
}

const ATSCase ats_dev_cases[] = {
    { "/ats/dev/inv-modes", test_inv_modes },
    { "/ats/dev/lossy-seed", test_lossy_seed },
    { "/ats/dev/qom-set", test_qom_set,
      "-device ats-testdev,id=e,addr=5.0,inv-mode=never-until-reset" },
    { "/ats/dev/hammer", test_hammer },
    { "/ats/dev/silent", test_silent },
    { "/ats/dev/flr", test_flr },
    { "/ats/dev/pm-reset", test_pm_reset },
    { "/ats/dev/sriov", test_sriov,
      "-global arm-smmuv3.ssidsize=4 "
      "-device ats-testdev,addr=6.0,vfs=2,pasid-width=4" },
    { "/ats/dev/system-reset", test_system_reset,
      "-global arm-smmuv3.atc-inv-sticky=5" },
    { "/ats/dev/registers", test_registers },
    { }
};
