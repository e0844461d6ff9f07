/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest for ATS: Translated transactions and Translation Requests
 */

#include "qemu/osdep.h"
#include "ats-testdev-cases.h"

/* The fence as a driver makes it: no effect before CMD_CFGI_STE */
static void test_translated(ATSBench *t)
{
    const uint64_t addr = PAGE(3);

    expect_fill(t, SID_A, 3, 1, ATD_OK);
    expect_translation(t, SID_A, addr + 8, PAGES + addr + 8);

    /* A Translated write needs no translation any more */
    smmu_map(t, 3, 0);
    smmu_push(t, OP_TLBI_NSNH, 0);
    expect_synced(t);
    expect_write(t, SID_A, ATD_ATTR_ATC, addr, 0x11, ATD_OK);
    expect_page(t, 3, 0x11);

    smmu_set_ste(t, SID_A, 0);
    expect_write(t, SID_A, ATD_ATTR_ATC, addr, 0x22, ATD_OK);
    smmu_submit(t);
    expect_write(t, SID_A, ATD_ATTR_ATC, addr, 0x33, ATD_OK);
    expect_events(t, 0);

    /* One event a write, with the address that was on the bus */
    smmu_push_cfgi_ste(t, SID_A);
    expect_synced(t);
    expect_fault(t, SID_A, ATD_ATTR_ATC, addr, EVT_F_TRANSL_FORBIDDEN);
    g_assert_cmphex(smmu_event_addr(t, 0), ==, PAGES + addr);
    expect_fault(t, SID_A, ATD_ATTR_RAW_TRANSLATED, PAGES + addr,
                 EVT_F_TRANSL_FORBIDDEN);
    expect_events(t, 2);
    expect_page(t, 3, 0x33);

    /* The neighbour keeps ATS; untranslated DMA is not affected */
    expect_fill(t, SID_B, 4, 1, ATD_OK);
    expect_write(t, SID_B, ATD_ATTR_ATC, PAGE(4), 0x66, ATD_OK);
    expect_write(t, SID_A, ATD_ATTR_UNTRANSLATED, PAGE(4), 0x77, ATD_OK);
    expect_page(t, 4, 0x77);
}

/* 3.9.1.3 and 15.1: unchecked with ATSCHK = 0, forbidden on bypass */
static void test_translated_cr0(ATSBench *t)
{
    smmu_set_ste(t, SID_A, 0);
    smmu_writel(t, CR0, CR0_ALL & ~CR0_ATSCHK);
    expect_write(t, SID_A, ATD_ATTR_RAW_TRANSLATED, PAGES, 0x11, ATD_OK);
    expect_page(t, 0, 0x11);
    smmu_writel(t, CR0, CR0_ALL);
    expect_fault(t, SID_A, ATD_ATTR_RAW_TRANSLATED, PAGES,
                 EVT_F_TRANSL_FORBIDDEN);
    smmu_writel(t, CR0, CR0_EVENTQEN | CR0_CMDQEN);
    expect_fault(t, SID_B, ATD_ATTR_RAW_TRANSLATED, PAGES,
                 EVT_F_TRANSL_FORBIDDEN);

    /* The same bits of a bypass STE are no permission: EATS is IGNORED */
    smmu_writel(t, CR0, CR0_ALL);
    smmu_bypass_ste(t, SID_B);
    expect_fault(t, SID_B, ATD_ATTR_RAW_TRANSLATED, PAGES,
                 EVT_F_TRANSL_FORBIDDEN);
    expect_events(t, 3);
    expect_page(t, 0, 0x11);
}

/* IDR0.NS1ATS = 1: split-stage ATS is ILLEGAL; the fourth value means none */
static void test_bad_eats(ATSBench *t)
{
    smmu_change_ste(t, SID_A, 2);
    expect_fault(t, SID_A, ATD_ATTR_UNTRANSLATED, 0, EVT_C_BAD_STE);
    /* An error of configuration is no event of ATS (IDR0.ATSRECERR = 0) */
    expect_fill(t, SID_A, 0, 1, ATD_E_DENIED);
    expect_write(t, SID_A, ATD_ATTR_RAW_TRANSLATED, PAGES, 1, ATD_E_FAULT);
    expect_events(t, 1);

    smmu_change_ste(t, SID_A, 3);
    expect_write(t, SID_A, ATD_ATTR_UNTRANSLATED, 0, 1, ATD_OK);
    expect_fill(t, SID_A, 0, 1, ATD_E_DENIED);
    expect_event(t, 1, EVT_F_BAD_ATS_TREQ, SID_A);
}

static void test_translation_request(ATSBench *t)
{
    /* No translation, or no permission to write: no fault, so no event */
    smmu_map(t, 6, 0);
    smmu_map(t, 7, PTE_RO);
    expect_fill(t, SID_A, 6, 1, ATD_E_DENIED);
    expect_fill(t, SID_A, 7, 1, ATD_OK);
    expect_entries(t, SID_A, 1);
    expect_write(t, SID_A, ATD_ATTR_ATC, PAGE(7), 0x11, ATD_E_MISS);
    atd_writeq(t, SID_A, ATD_ADDR, PAGE(7));
    qtest_writeq(t->qts, PAGES + PAGE(7), 0xabcd);
    expect_cmd(t, SID_A, ATD_CMD_READ, ATD_OK);
    expect_counter(t, SID_A, ATD_DATA, 0xabcd);
    expect_events(t, 0);

    /* 3.9.1.2: a stream that may not use ATS */
    smmu_change_ste(t, SID_A, 0);
    expect_fill(t, SID_A, 8, 1, ATD_E_DENIED);
    expect_events(t, 1);
    expect_event(t, 0, EVT_F_BAD_ATS_TREQ, SID_A);
    g_assert_cmphex(smmu_event_addr(t, 0), ==, PAGE(8));
    expect_counters(t, SID_A, { ATD_ATC_FILLS, 3 }, { ATD_ATC_DENIED, 2 });
}

/*
 * Two stages, as a guest with an SMMU of its own has them: CD, tables and
 * output of stage 1 are at IPAs, and ATS gives the PA
 */
static void test_nested(ATSBench *t)
{
    const uint64_t ram = 0x40000000, ipa = 0x80000000, cd = CDS + SID_A * 64;
    const uint64_t ste = STRTAB + SID_A * 64;

    g_assert_true(smmu_readl(t, IDR3) & IDR3_FWB);
    /* Stage 2 maps 1 GiB: readable, writable, accessed, Normal by force */
    qtest_writeq(t->qts, S2_L1 + 2 * 8, ram | 0x6 << 2 | 3 << 6 | 1 << 10 | 1);
    /* A table of one page; IPA = PA - ram + ipa */
    smmu_set_cd(t, cd, PT_L1 - ram + ipa, 1);
    qtest_writeq(t->qts, PT_L1, (PT_L2 - ram + ipa) | 3);
    qtest_writeq(t->qts, PT_L2, (PT_L3 - ram + ipa) | 3);
    qtest_writeq(t->qts, PT_L3 + 8, (PAGES + PAGE(1) - ram + ipa) | PTE_RW);

    /* Config = S1 and S2, S2FWB, EATS; T0SZ = 25, from level 1, 4 KiB, R */
    qtest_writeq(t->qts, ste, (cd - ram + ipa) | 7 << 1 | 1);
    qtest_writeq(t->qts, ste + 8, 1 << 28 | 1 << 25);
    qtest_writel(t->qts, ste + 16, 1);
    qtest_writel(t->qts, ste + 20, 25 | 1 << 6 | 4 << 16 | 1 << 19 | 1 << 26);
    qtest_writeq(t->qts, ste + 24, S2_L1);
    smmu_push_cfgi_ste(t, SID_A);
    expect_synced(t);

    expect_write(t, SID_A, ATD_ATTR_UNTRANSLATED, PAGE(1), 0x11, ATD_OK);
    expect_page(t, 1, 0x11);
    expect_fill(t, SID_A, 1, 1, ATD_OK);
    expect_translation(t, SID_A, PAGE(1), PAGES + PAGE(1));
    expect_write(t, SID_A, ATD_ATTR_ATC, PAGE(1), 0x22, ATD_OK);
    expect_page(t, 1, 0x22);
    expect_events(t, 0);
}

static void test_no_fwb(ATSBench *t)
{
    g_assert_false(smmu_readl(t, IDR3) & IDR3_FWB);
}

const ATSCase ats_dma_cases[] = {
    { "/ats/dma/translated", test_translated },
    { "/ats/dma/translated-cr0", test_translated_cr0 },
    { "/ats/dma/bad-eats", test_bad_eats },
    { "/ats/dma/translation-request", test_translation_request },
    { "/ats/dma/nested", test_nested, "-global arm-smmuv3.fwb=on" },
    { "/ats/dma/no-fwb", test_no_fwb },
    { }
};
