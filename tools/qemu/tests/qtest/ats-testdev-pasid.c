/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest for ATS: PASIDs, of the SMMUv3 and in the ATC
 */

#include "qemu/osdep.h"
#include "ats-testdev-cases.h"

/* Function 00:05.0 */
#define SID_P           SID_EXTRA
#define DEVICE_P        "-device ats-testdev,id=p,addr=5.0,pasid-width=16"
#define ARGS            "-global arm-smmuv3.ssidsize=16 " DEVICE_P

#define STE_PASID(fmt, max) ((uint64_t)(max) << 59 | (fmt) << 4)
#define S1DSS_TERMINATE 0
#define S1DSS_BYPASS    1
#define S1DSS_SSID0     2

#define NO_PASID        UINT32_MAX

/* As smmu_change_ste(), with a table of 2^@max CDs at CDTAB */
static void change_ste(ATSBench *t, unsigned int fmt, unsigned int max,
                       unsigned int s1dss, unsigned int eats)
{
    uint64_t ste = t->strtab + SID_P * 64;

    qtest_writeq(t->qts, ste, CDTAB | STE_PASID(fmt, max) | 5 << 1 | 1);
    qtest_writeq(t->qts, ste + 8, (uint64_t)eats << 28 | s1dss);
    smmu_push_cfgi_ste(t, SID_P);
    expect_synced(t);
}

/* The second address space: IOVA page n maps page n + 32 of PAGES */
static void map_pasid(ATSBench *t, unsigned int page, uint64_t pte_bits)
{
    qtest_writeq(t->qts, PASID_PT + 0x2000 + page * 8,
                 pte_bits ? (PAGES + PAGE(page + 32)) | pte_bits : 0);
}

/*
 * A linear table of four CDs: 0 for requests without a PASID, 1 for PASID 1 and
 * the second address space; 2 and 3 are invalid.
 */
static void setup(ATSBench *t)
{
    qtest_writeq(t->qts, PASID_PT, (PASID_PT + 0x1000) | 3);
    qtest_writeq(t->qts, PASID_PT + 0x1000, (PASID_PT + 0x2000) | 3);
    for (int i = 0; i < 32; i++) {
        map_pasid(t, i, PTE_RW);
    }
    smmu_set_cd(t, CDTAB, PT_L1, 1);
    smmu_set_cd(t, CDTAB + 64, PASID_PT, 2);
    atd_enable(t, SID_P);
    change_ste(t, 0, 2, S1DSS_SSID0, 1);
}

static void set_pasid(ATSBench *t, uint32_t pasid)
{
    if (pasid == NO_PASID) {
        atd_no_pasid(t, SID_P);
    } else {
        atd_set_pasid(t, SID_P, pasid);
    }
}

static void push_cfgi_cd(ATSBench *t, uint32_t pasid)
{
    smmu_push(t, OP_CFGI_CD | pasid << 12 | (uint64_t)SID_P << 32, 1);
    expect_synced(t);
}

static void push_pasid_inv(ATSBench *t, uint32_t pasid, bool global,
                           uint64_t addr, unsigned int size)
{
    if (pasid == NO_PASID) {
        smmu_push_atc_inv(t, SID_P, addr, size);
    } else {
        smmu_push(t, OP_ATC_INV | global << 9 | 1 << 11 | pasid << 12 |
                  (uint64_t)SID_P << 32, addr | size);
    }
}

/* An untranslated write, or one through the ATC, to a page of the PASID */
#define expect_pasid_write(t, attr, page, data, result)                     \
    expect_write(t, SID_P, attr, PAGE(page), data, result)

/* An untranslated write is aborted, and its event says which PASID it had */
#define expect_pasid_fault(t, page, type, ssv, ssid) do {                   \
        uint32_t at_ = smmu_events(t);                                      \
        expect_fault(t, SID_P, ATD_ATTR_UNTRANSLATED, PAGE(page), type);    \
        expect_ssid(t, at_, ssv, ssid);                                     \
    } while (0)

static void test_capability(ATSBench *t)
{
    uint32_t ats = atd_ext_cap(t, SID_P, PCI_EXT_CAP_ID_ATS);
    uint32_t pasid = atd_ext_cap(t, SID_P, PCI_EXT_CAP_ID_PASID);
    uint32_t exp = atd_cap(t, SID_P, PCI_CAP_ID_EXP);

    g_assert_cmpuint(IDR1_SSIDSIZE(smmu_readl(t, IDR1)), ==, 16);
    g_assert_true(smmu_readl(t, IDR0) & IDR0_CD2L);
    g_assert_cmphex(pasid, !=, 0);
    expect_cfg(t, SID_P, pasid + PCI_PASID_CAP, 16 << 8);
    g_assert_true(atd_cfg_readl(t, SID_P, exp + PCI_EXP_DEVCAP2) &
                  PCI_EXP_DEVCAP2_EE_PREFIX);
    g_assert_cmphex(ats, !=, 0);

    /* Not enabled, and too wide */
    set_pasid(t, 1 << 16);
    expect_pasid_write(t, ATD_ATTR_UNTRANSLATED, 0, 1, ATD_E_PASID);
    set_pasid(t, 1);
    atd_cfg_writew(t, SID_P, pasid + PCI_PASID_CTRL, 0);
    expect_fill(t, SID_P, 0, 1, ATD_E_PASID);
    expect_cmd(t, SID_P, ATD_CMD_ATC_LOOKUP, ATD_E_PASID);
    expect_events(t, 0);

    /* A reset disables it */
    atd_cfg_writew(t, SID_P, pasid + PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE);
    expect_fill(t, SID_P, 0, 1, ATD_OK);
    atd_cmd(t, SID_P, ATD_CMD_FAST_RESET);
    expect_cfg(t, SID_P, pasid + PCI_PASID_CTRL, 0);
    expect_reg(t, SID_P, ATD_PASID, 0);

    /* None of it unless asked for */
    g_assert_cmphex(atd_ext_cap(t, SID_A, PCI_EXT_CAP_ID_PASID), ==, 0);
}

/* PASIDs of a function, and an SMMU without SubstreamIDs */
static void test_no_substreams(ATSBench *t)
{
    g_assert_cmpuint(IDR1_SSIDSIZE(smmu_readl(t, IDR1)), ==, 0);
    g_assert_false(smmu_readl(t, IDR0) & IDR0_CD2L);
    smmu_setup_stream(t, SID_P);
    atd_enable(t, SID_P);
    set_pasid(t, 1);
    expect_pasid_fault(t, 0, EVT_C_BAD_SUBSTREAMID, 0, 1);
    expect_events(t, 1);
    /* More CDs than there may be */
    change_ste(t, 0, 1, S1DSS_SSID0, 1);
    set_pasid(t, NO_PASID);
    expect_pasid_fault(t, 0, EVT_C_BAD_STE, 0, 0);
}

/* Each PASID has its address space, and its faults say so */
static void test_linear(ATSBench *t)
{
    static const struct {
        uint32_t pasid;
        uint8_t type;
        bool ssv;
    } faults[] = {
        { 2, EVT_C_BAD_CD, true },              /* V = 0 */
        { 4, EVT_C_BAD_SUBSTREAMID, false },    /* beyond the table */
        { 0, EVT_F_STREAM_DISABLED, false },    /* for those without a PASID */
    };

    expect_pasid_write(t, ATD_ATTR_UNTRANSLATED, 3, 0x11, ATD_OK);
    set_pasid(t, 1);
    expect_pasid_write(t, ATD_ATTR_UNTRANSLATED, 3, 0x22, ATD_OK);
    expect_page(t, 3, 0x11);
    expect_page(t, 3 + 32, 0x22);
    expect_events(t, 0);

    map_pasid(t, 4, 0);
    expect_pasid_fault(t, 4, EVT_F_TRANSLATION, 1, 1);
    g_assert_cmphex(smmu_event_addr(t, 0), ==, PAGE(4));
    smmu_map(t, 5, 0);
    set_pasid(t, NO_PASID);
    expect_pasid_fault(t, 5, EVT_F_TRANSLATION, 0, 0);
    for (int i = 0; i < ARRAY_SIZE(faults); i++) {
        set_pasid(t, faults[i].pasid);
        expect_pasid_fault(t, 0, faults[i].type, faults[i].ssv,
                           faults[i].pasid);
    }
    expect_events(t, 5);

    /* A stream whose STE has no substreams, or no stage 1 */
    set_pasid(t, 1);
    change_ste(t, 0, 0, S1DSS_SSID0, 1);
    expect_pasid_fault(t, 0, EVT_C_BAD_SUBSTREAMID, 0, 1);
    smmu_bypass_ste(t, SID_P);
    expect_pasid_fault(t, 0, EVT_C_BAD_SUBSTREAMID, 0, 1);
    expect_events(t, 7);
}

/* S1Fmt: leaves of 64 CDs and of 1024 CDs */
static void test_two_levels(ATSBench *t)
{
    static const struct {
        unsigned int fmt;
        unsigned int leaf;
    } fmts[] = { { 1, 64 }, { 2, 1024 } };

    for (int i = 0; i < ARRAY_SIZE(fmts); i++) {
        uint32_t leaf = fmts[i].leaf;
        uint32_t pasid = leaf * 2 + 5;

        qtest_memset(t->qts, CDTAB, 0, 4096);
        qtest_memset(t->qts, CDTAB_L2, 0, 65536);
        qtest_writeq(t->qts, CDTAB + 2 * 8, CDTAB_L2 | 1);
        smmu_set_cd(t, CDTAB_L2 + 5 * 64, PASID_PT, 2);
        change_ste(t, fmts[i].fmt, 13, S1DSS_TERMINATE, 1);

        set_pasid(t, pasid);
        expect_pasid_write(t, ATD_ATTR_UNTRANSLATED, 6, 0x10 + i, ATD_OK);
        expect_page(t, 6 + 32, 0x10 + i);
        expect_fill(t, SID_P, 7, 1, ATD_OK);

        /* An L1CD that is not valid, a CD that is not, beyond the table */
        set_pasid(t, pasid + leaf);
        expect_pasid_fault(t, 6, EVT_C_BAD_SUBSTREAMID, 0, pasid + leaf);
        set_pasid(t, pasid + 1);
        expect_pasid_fault(t, 6, EVT_C_BAD_CD, 1, pasid + 1);
        set_pasid(t, 1 << 13);
        expect_pasid_fault(t, 6, EVT_C_BAD_SUBSTREAMID, 0, 1 << 13);
    }
}

/* 5.2, S1DSS: what there is for a request without a PASID */
static void test_s1dss(ATSBench *t)
{
    const uint64_t pa = PAGES + PAGE(3);

    /* Terminated; as a Translation Request without an event */
    change_ste(t, 0, 2, S1DSS_TERMINATE, 1);
    expect_pasid_fault(t, 0, EVT_F_STREAM_DISABLED, 0, 0);
    expect_fill(t, SID_P, 0, 1, ATD_E_DENIED);
    expect_events(t, 1);
    /* With PASID 0 there is CD 0 */
    set_pasid(t, 0);
    expect_pasid_write(t, ATD_ATTR_UNTRANSLATED, 0, 0x11, ATD_OK);
    expect_page(t, 0, 0x11);
    /* IDR3.PASIDTT = 0: the CD of a Translated transaction is not looked at */
    set_pasid(t, 1);
    expect_fill(t, SID_P, 1, 1, ATD_OK);
    expect_pasid_write(t, ATD_ATTR_ATC, 1, 0x22, ATD_OK);
    expect_page(t, 1 + 32, 0x22);
    expect_events(t, 1);

    /* 13.6.4: bypassed, and ATS gives the address that it was asked for */
    change_ste(t, 0, 2, S1DSS_BYPASS, 1);
    set_pasid(t, NO_PASID);
    expect_write(t, SID_P, ATD_ATTR_UNTRANSLATED, pa, 0x33, ATD_OK);
    expect_page(t, 3, 0x33);
    expect_fill(t, SID_P, pa / 4096, 1, ATD_OK);
    expect_translation(t, SID_P, pa, pa);
    expect_write(t, SID_P, ATD_ATTR_ATC, pa, 0x44, ATD_OK);
    expect_page(t, 3, 0x44);
    set_pasid(t, 1);
    expect_pasid_write(t, ATD_ATTR_UNTRANSLATED, 4, 0x55, ATD_OK);
    expect_page(t, 4 + 32, 0x55);
    expect_events(t, 1);
}

/* PASIDs 1 and 3 write to @page */
static void both_write(ATSBench *t, unsigned int page)
{
    for (int pasid = 1; pasid <= 3; pasid += 2) {
        set_pasid(t, pasid);
        expect_pasid_write(t, ATD_ATTR_UNTRANSLATED, page, 0x11, ATD_OK);
    }
}

/* A changed CD is seen after the command that names it, and not before */
static void test_config_cache(ATSBench *t)
{
    smmu_set_cd(t, CDTAB + 3 * 64, PASID_PT, 2);
    both_write(t, 0);
    qtest_writel(t->qts, CDTAB + 64, 0);
    qtest_writel(t->qts, CDTAB + 3 * 64, 0);
    push_cfgi_cd(t, 0);
    push_cfgi_cd(t, 2);
    both_write(t, 1);
    push_cfgi_cd(t, 3);
    expect_pasid_fault(t, 2, EVT_C_BAD_CD, 1, 3);
    set_pasid(t, 1);
    expect_pasid_write(t, ATD_ATTR_UNTRANSLATED, 2, 0x11, ATD_OK);
    smmu_push(t, OP_CFGI_CD_ALL | (uint64_t)SID_P << 32, 0);
    smmu_ring(t);
    expect_pasid_fault(t, 3, EVT_C_BAD_CD, 1, 1);

    /* All PASIDs see one STE: CMD_CFGI_CD is no CMD_CFGI_STE */
    smmu_set_cd(t, CDTAB + 64, PASID_PT, 2);
    qtest_writeq(t->qts, STRTAB + SID_P * 64, 0);
    expect_pasid_write(t, ATD_ATTR_UNTRANSLATED, 4, 0x11, ATD_OK);
    push_cfgi_cd(t, 1);
    expect_pasid_write(t, ATD_ATTR_UNTRANSLATED, 5, 0x11, ATD_OK);
    smmu_push_cfgi_ste(t, SID_P);
    smmu_ring(t);
    expect_pasid_fault(t, 6, EVT_C_BAD_STE, 1, 1);
    expect_events(t, 3);
}

static void tlbi_asid(ATSBench *t, uint64_t asid)
{
    smmu_push(t, OP_TLBI_NH_ASID | asid << 48, 0);
    expect_synced(t);
}

/* The TLB knows address spaces by ASID, whatever PASID they have */
static void test_tlbi(ATSBench *t)
{
    expect_pasid_write(t, ATD_ATTR_UNTRANSLATED, 0, 1, ATD_OK);
    set_pasid(t, 1);
    expect_pasid_write(t, ATD_ATTR_UNTRANSLATED, 0, 1, ATD_OK);
    smmu_map(t, 0, 0);
    map_pasid(t, 0, 0);
    tlbi_asid(t, 2);
    expect_pasid_fault(t, 0, EVT_F_TRANSLATION, 1, 1);
    set_pasid(t, NO_PASID);
    expect_pasid_write(t, ATD_ATTR_UNTRANSLATED, 0, 1, ATD_OK);
    tlbi_asid(t, 1);
    expect_pasid_fault(t, 0, EVT_F_TRANSLATION, 0, 0);
    expect_events(t, 2);
}

/*
 * What Invalidate Requests leave in the ATC. Of each address space it has the
 * pages 0 to 3.
 */

#define SPACES 3

static const uint32_t spaces[SPACES] = { NO_PASID, 1, 3 };

typedef struct {
    uint32_t pasid;
    bool global;
    unsigned int page;
    unsigned int size;
    bool fill_first;
    unsigned int left[SPACES];
} InvStep;

static void fill_spaces(ATSBench *t)
{
    for (int i = 0; i < SPACES; i++) {
        set_pasid(t, spaces[i]);
        expect_fill(t, SID_P, 0, 4, ATD_OK);
    }
    expect_entries(t, SID_P, 4 * SPACES);
}

static unsigned int left_in_space(ATSBench *t, uint32_t pasid)
{
    unsigned int n = 0;

    set_pasid(t, pasid);
    for (int page = 0; page < 4; page++) {
        n += atd_lookup(t, SID_P, PAGE(page)) == ATD_OK;
    }
    return n;
}

static void run_inv_steps(ATSBench *t, const InvStep *steps, unsigned int n)
{
    smmu_set_cd(t, CDTAB + 3 * 64, PASID_PT, 2);
    for (const InvStep *s = steps; s < steps + n; s++) {
        g_test_message("step %d", (int)(s - steps));
        if (s->fill_first) {
            fill_spaces(t);
        }
        push_pasid_inv(t, s->pasid, s->global, PAGE(s->page), s->size);
        expect_synced(t);
        for (int i = 0; i < SPACES; i++) {
            g_assert_cmpuint(left_in_space(t, spaces[i]), ==, s->left[i]);
        }
    }
    expect_events(t, 0);
}

static bool global_invalidate_supported(ATSBench *t, uint32_t sid)
{
    uint32_t ats = atd_ext_cap(t, sid, PCI_EXT_CAP_ID_ATS);

    return atd_cfg_readw(t, sid, ats + PCI_ATS_CAP) & BIT(6);
}

/* PCIe 6.2, 10.3.8 */
static void test_atc_inv(ATSBench *t)
{
    static const InvStep steps[] = {
        /* One page, then all, of one PASID */
        { 1, false, 0, 0, true, { 4, 3, 4 } },
        { 1, false, 0, SIZE_ALL, false, { 4, 0, 4 } },
        /* Global: the PASID that it carries does not matter */
        { 1, true, 0, 0, false, { 4, 0, 3 } },
        { 1, true, 0, SIZE_ALL, false, { 4, 0, 0 } },
        /* Without a PASID: its range, and of all PASIDs all addresses */
        { NO_PASID, false, 0, 0, true, { 3, 0, 0 } },
        { NO_PASID, false, 8, 0, true, { 4, 0, 0 } },
        { NO_PASID, false, 0, 1, true, { 2, 0, 0 } },
        { NO_PASID, false, 0, SIZE_ALL, true, { 0, 0, 0 } },
    };

    run_inv_steps(t, steps, ARRAY_SIZE(steps));
    g_assert_true(global_invalidate_supported(t, SID_P));
    g_assert_false(global_invalidate_supported(t, SID_A));

    /* The same when it is answered late */
    fill_spaces(t);
    atd_set_mode(t, SID_P, ATD_INV_LATE, 100);
    smmu_invalidate(t, SID_P, PAGE(8), 0);
    expect_entries(t, SID_P, 4 * SPACES);
    ats_bench_step(t, 100 * US);
    expect_done(t);
    expect_entries(t, SID_P, 4);

    /* A dead function is dead for all PASIDs: one error for the batch */
    atd_set_mode(t, SID_P, ATD_INV_NEVER, 0);
    push_pasid_inv(t, 1, false, 0, 0);
    push_pasid_inv(t, 3, false, 0, 0);
    smmu_invalidate(t, SID_P, 0, 0);
    expect_timeout(t, t->prod - 1);
}

/* A fault that shows whether a driver sends a request for each PASID */
static void test_atc_inv_strict(ATSBench *t)
{
    static const InvStep steps[] = {
        { NO_PASID, false, 0, 0, true, { 3, 4, 4 } },
        { NO_PASID, false, 0, SIZE_ALL, false, { 0, 4, 4 } },
        { 3, false, 0, SIZE_ALL, false, { 0, 4, 0 } },
        { 3, true, 0, SIZE_ALL, false, { 0, 0, 0 } },
    };

    run_inv_steps(t, steps, ARRAY_SIZE(steps));
    /* Resets and commands are not concerned */
    fill_spaces(t);
    expect_cmd(t, SID_P, ATD_CMD_ATC_DROP, ATD_OK);
    expect_entries(t, SID_P, 0);
}

/* Not advertised, so the flag is ignored */
static void test_no_global_inv(ATSBench *t)
{
    static const InvStep steps[] = {
        { 1, true, 0, 0, true, { 4, 3, 4 } },
        { 1, true, 0, SIZE_ALL, false, { 4, 0, 4 } },
    };

    run_inv_steps(t, steps, ARRAY_SIZE(steps));
    g_assert_false(global_invalidate_supported(t, SID_P));
}

/* One ATC, and in it each address space has entries of its own */
static void test_atc(ATSBench *t)
{
    smmu_set_cd(t, CDTAB + 3 * 64, PASID_PT, 2);
    fill_spaces(t);
    set_pasid(t, 1);
    expect_pasid_write(t, ATD_ATTR_ATC, 0, 0x11, ATD_OK);
    expect_page(t, 32, 0x11);
    set_pasid(t, NO_PASID);
    expect_pasid_write(t, ATD_ATTR_ATC, 0, 0x22, ATD_OK);
    expect_page(t, 0, 0x22);

    push_pasid_inv(t, 1, false, 0, 0);
    expect_synced(t);
    set_pasid(t, 1);
    expect_pasid_write(t, ATD_ATTR_ATC, 0, 0, ATD_E_MISS);
    set_pasid(t, 3);
    expect_pasid_write(t, ATD_ATTR_ATC, 0, 0x33, ATD_OK);
    expect_page(t, 32, 0x33);
}

/* The hammer's PASID is its own, and one fence stops every PASID */
static void test_hammer(ATSBench *t)
{
    set_pasid(t, 1);
    expect_fill(t, SID_P, 0, 1, ATD_OK);
    set_pasid(t, NO_PASID);
    atd_writel(t, SID_P, ATD_HAMMER_PASID, ATD_PASID_VALID | 1);
    atd_writeq(t, SID_P, ATD_HAMMER_PATTERN, 0x1000);
    atd_hammer(t, SID_P, 0, 1, ATD_ATTR_ATC, 0);
    ats_bench_step(t, 10 * US);
    expect_counter(t, SID_P, ATD_ACCEPTED, 10);
    expect_page(t, 32, 0x1009);
    expect_page(t, 0, 0);

    change_ste(t, 0, 2, S1DSS_SSID0, 0);
    ats_bench_step(t, 10 * US);
    expect_counters(t, SID_P, { ATD_ACCEPTED, 10 }, { ATD_REFUSED, 10 });
    expect_event(t, 0, EVT_F_TRANSL_FORBIDDEN, SID_P);
    expect_ssid(t, 0, 0, 0);
    /* 3.9.1.2, with the PASID of the Translation Request */
    set_pasid(t, 1);
    expect_fill(t, SID_P, 2, 1, ATD_E_DENIED);
    expect_event(t, 10, EVT_F_BAD_ATS_TREQ, SID_P);
    expect_ssid(t, 10, 1, 1);

    /* Untranslated DMA is not affected, and the hammer can do it as well */
    atd_hammer(t, SID_P, 0, 1, ATD_ATTR_UNTRANSLATED, 0);
    ats_bench_step(t, 10 * US);
    expect_counter(t, SID_P, ATD_ACCEPTED, 20);
}

const ATSCase ats_pasid_cases[] = {
    { "/ats/pasid/capability", test_capability, ARGS, setup },
    { "/ats/pasid/no-substreams", test_no_substreams, DEVICE_P },
    { "/ats/pasid/linear", test_linear, ARGS, setup },
    { "/ats/pasid/two-levels", test_two_levels, ARGS, setup },
    { "/ats/pasid/s1dss", test_s1dss, ARGS, setup },
    { "/ats/pasid/config-cache", test_config_cache, ARGS, setup },
    { "/ats/pasid/tlbi", test_tlbi, ARGS, setup },
    { "/ats/pasid/atc", test_atc, ARGS, setup },
    { "/ats/pasid/atc-inv", test_atc_inv, ARGS, setup },
    { "/ats/pasid/atc-inv-strict", test_atc_inv_strict,
      ARGS ",pasid-strict=on", setup },
    { "/ats/pasid/no-global-inv", test_no_global_inv,
      ARGS ",global-invalidate=off", setup },
    { "/ats/pasid/hammer", test_hammer, ARGS, setup },
    { }
};
