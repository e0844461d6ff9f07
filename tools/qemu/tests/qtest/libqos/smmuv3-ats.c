/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libqos: an SMMUv3 without a guest CPU
 */

#include "qemu/osdep.h"
#include "ats-testdev.h"
#include "smmuv3-ats.h"

void smmu_writel(ATSBench *t, uint32_t reg, uint32_t val)
{
    qtest_writel(t->qts, t->smmu + reg, val);
}

uint32_t smmu_readl(ATSBench *t, uint32_t reg)
{
    return qtest_readl(t->qts, t->smmu + reg);
}

void smmu_restart(ATSBench *t, uint32_t cr0, unsigned int evtq_log2)
{
    smmu_writel(t, CR0, 0);
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

void smmu_map(ATSBench *t, unsigned int page, uint64_t pte_bits)
{
    qtest_writeq(t->qts, PT_L3 + page * 8,
                 pte_bits ? (PAGES + PAGE(page)) | pte_bits : 0);
}

uint64_t smmu_page(ATSBench *t, unsigned int page)
{
    return qtest_readq(t->qts, PAGES + PAGE(page));
}

void smmu_set_cd(ATSBench *t, uint64_t cd, uint64_t ttb, unsigned int asid)
{
    /* T0SZ = 25, 4 KiB granule, EPD1, V; IPS = 44 bits, AA64, R, A */
    qtest_writel(t->qts, cd, 25 | 1u << 30 | 1u << 31);
    qtest_writel(t->qts, cd + 4, 4 | 1 << 9 | 1 << 13 | 1 << 14 | asid << 16);
    qtest_writeq(t->qts, cd + 8, ttb);
}

void smmu_set_ste(ATSBench *t, uint32_t sid, uint32_t eats)
{
    uint64_t ste = t->strtab + sid * 64;
    uint64_t cd = CDS + sid * 64;

    qtest_writeq(t->qts, ste, cd | 5 << 1 | 1);
    qtest_writeq(t->qts, ste + 8, (uint64_t)eats << 28);
}

void smmu_change_ste(ATSBench *t, uint32_t sid, uint32_t eats)
{
    smmu_set_ste(t, sid, eats);
    smmu_push_cfgi_ste(t, sid);
    expect_synced(t);
}

void smmu_bypass_ste(ATSBench *t, uint32_t sid)
{
    qtest_writeq(t->qts, t->strtab + sid * 64, STE_BYPASS);
    smmu_push_cfgi_ste(t, sid);
    expect_synced(t);
}

void smmu_setup_stream(ATSBench *t, uint32_t sid)
{
    smmu_set_cd(t, CDS + sid * 64, PT_L1, 1);
    smmu_set_ste(t, sid, 1);
}

void smmu_push(ATSBench *t, uint64_t dw0, uint64_t dw1)
{
    uint64_t entry = t->cmdq + (t->prod & (BIT(CMDQ_LOG2) - 1)) * 16;

    qtest_writeq(t->qts, entry, dw0);
    qtest_writeq(t->qts, entry + 8, dw1);
    t->prod = (t->prod + 1) & (BIT(CMDQ_LOG2 + 1) - 1);
}

void smmu_push_sync(ATSBench *t)
{
    smmu_push(t, OP_SYNC, 0);
}

void smmu_push_cfgi_ste(ATSBench *t, uint32_t sid)
{
    smmu_push(t, OP_CFGI_STE | (uint64_t)sid << 32, 1);
}

void smmu_push_atc_inv(ATSBench *t, uint32_t sid, uint64_t addr,
                       unsigned int size)
{
    smmu_push(t, OP_ATC_INV | (uint64_t)sid << 32, addr | size);
}

void smmu_push_atc_invs(ATSBench *t, uint32_t sid, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        smmu_push_atc_inv(t, sid, PAGE(i), 0);
    }
}

void smmu_ring(ATSBench *t)
{
    smmu_writel(t, CMDQ_PROD, t->prod);
}

void smmu_submit(ATSBench *t)
{
    smmu_push_sync(t);
    smmu_ring(t);
}

void smmu_invalidate(ATSBench *t, uint32_t sid, uint64_t addr,
                     unsigned int size)
{
    smmu_push_atc_inv(t, sid, addr, size);
    smmu_submit(t);
}

void smmu_overwrite(ATSBench *t, unsigned int n, uint64_t dw0)
{
    qtest_writeq(t->qts, t->cmdq + n * 16, dw0);
}

bool smmu_active(ATSBench *t, uint32_t bit)
{
    return (smmu_readl(t, GERROR) ^ smmu_readl(t, GERRORN)) & bit;
}

void smmu_acknowledge(ATSBench *t, uint32_t bit)
{
    smmu_writel(t, GERRORN, smmu_readl(t, GERRORN) ^ bit);
}

uint32_t smmu_events(ATSBench *t)
{
    return smmu_readl(t, EVENTQ_PROD);
}

uint64_t smmu_event_addr(ATSBench *t, unsigned int n)
{
    return qtest_readq(t->qts, t->evtq + n * 32 + 16);
}

void ats_bench_setup(ATSBench *t)
{
    static const uint32_t sids[] = { SID_A, SID_B, SID_NO_ATS };

    qtest_writeq(t->qts, PT_L1, PT_L2 | 3);
    qtest_writeq(t->qts, PT_L2, PT_L3 | 3);
    for (int i = 0; i < 64; i++) {
        smmu_map(t, i, PTE_RW);
    }
    for (int i = 0; i < ARRAY_SIZE(sids); i++) {
        smmu_setup_stream(t, sids[i]);
    }
    smmu_restart(t, CR0_ALL, 6);
    for (int i = 0; i < ARRAY_SIZE(sids); i++) {
        atd_enable(t, sids[i]);
    }
}

void ats_bench_start(ATSBench *t, const char *args)
{
    *t = (ATSBench) {
        .smmu = SMMU_BASE, .cmdq = CMDQ, .evtq = EVTQ, .strtab = STRTAB,
    };
    t->qts = qtest_initf(
        "-M virt,gic-version=3,iommu=smmuv3,highmem=off -nodefaults "
        "-global arm-smmuv3.ats=on "
        "-global arm-smmuv3.atc-inv-timeout-us=%u "
        "-device ats-testdev,id=a,addr=2.0 "
        "-device ats-testdev,id=b,addr=3.0 "
        "-device ats-testdev,id=c,addr=4.0,ats=off %s", T_US, args ?: "");
    ats_bench_setup(t);
}

void ats_bench_end(ATSBench *t)
{
    qtest_quit(t->qts);
}

ATSBench ats_bench_second_smmu(ATSBench *t)
{
    return (ATSBench) {
        .qts = t->qts, .smmu = SMMU2_BASE, .cmdq = CMDQ_2, .evtq = EVTQ_2,
        .strtab = STRTAB_2,
    };
}

void ats_bench_step(ATSBench *t, int64_t ns)
{
    qtest_clock_step(t->qts, ns);
}
