// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what happens at the same time as a fence, on a fake SMMU: other
 * flushes, attaches, interrupts, and all of it at random.
 *
 * Copyright (C) 2026 The ATC fence authors
 */
#include <linux/io-pgtable.h>
#include <linux/irq_work.h>
#include <linux/moduleparam.h>
#include <linux/random.h>
#include <linux/smp.h>

#include "arm-smmu-v3-fake.h"

static unsigned int seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "Of the random case, to repeat it; 0: a new one");

/*
 * Flushes
 */

static int fake_tlbi_thread(struct fake_thread *thread)
{
	int i, ret = 0;

	for (i = 0; i < 8; i++)
		ret |= fake_issue_tlbi(thread->test, 3, true);
	return ret;
}

/* No thread has failed, and no device can use what a flush was to remove */
static void fake_expect_returned(struct kunit *test,
				 const struct fake_thread *threads,
				 unsigned int num)
{
	unsigned int i;

	for (i = 0; i < num; i++)
		KUNIT_EXPECT_EQ(test, threads[i].ret, 0);
	fake_expect_no_escape(test);
	fake_expect_no_errs_left(test);
}

static void arm_smmu_atc_test_two_flushes(struct kunit *test)
{
	struct fake_thread threads[2];
	int i;

	fake_attach(test, 2);
	for (i = 0; i < 4; i++) {
		fake_kill(test, 0);
		fake_run(test, threads, 2, 2, fake_flush_thread,
			 fake_flush_thread);
		fake_expect_returned(test, threads, 2);
		fake_expect_fenced(test, 0, 1);
		fake_reset_and_attach(test, 0);
	}
}

/*
 * One fails, and the others often find its error: the error is that of the first
 * one, whichever takes it.
 */
static void arm_smmu_atc_test_flush_and_innocent(struct kunit *test)
{
	struct fake_thread threads[FAKE_MAX_THREADS];
	unsigned int i, num;

	fake_attach(test, 2);
	for (i = 0; i < 8; i++) {
		fake_kill(test, 0);
		num = fake_run(test, threads, ARRAY_SIZE(threads), 2,
			       fake_flush_thread, fake_tlbi_thread);
		fake_expect_returned(test, threads, num);
		fake_reset_and_attach(test, 0);
	}
}

/*
 * M flushes that have failed at once: one finds out which device it was, and the
 * others wait only for what is in the queue anyway. So it takes M + 1 timeouts,
 * unless the host stops the one that finds out: one of several tries has to show
 * it.
 */
static void arm_smmu_atc_test_many_flushes(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct fake_thread threads[FAKE_MAX_THREADS];
	unsigned int errors = UINT_MAX, num, try;

	fake_attach(test, 4);
	num = clamp(num_online_cpus(), 2, ARRAY_SIZE(threads) + 1) - 1;
	for (try = 0; try < 8 && errors > num + 1; try++) {
		fake_forget_log(test);
		fake_kill(test, 2);
		/* All batches are in the queue before the first is answered */
		WRITE_ONCE(fake->hold, num * (4 + 1));
		fake_run(test, threads, num, 2, fake_flush_thread,
			 fake_flush_thread);
		errors = min(errors, fake->errors);
		fake_expect_returned(test, threads, num);
		fake_expect_fenced(test, 2, 1);
		fake_reset_and_attach(test, 2);
	}
	KUNIT_EXPECT_LE(test, errors, num + 1);
}

/* As iommu_unmap() may be called */
static void arm_smmu_atc_test_irqs_off(struct kunit *test)
{
	unsigned long flags;

	fake_attach(test, 3);
	fake_kill(test, 1);
	fake_cpu_or_skip(test);
	local_irq_save(flags);
	fake_flush(test);
	KUNIT_EXPECT_TRUE(test, irqs_disabled());
	local_irq_restore(flags);
	fake_expect_seen(test, .atc_invs = 3 + 3, .cfgi_stes = 1,
			 .syncs = 1 + 3 + 1, .errors = 2);
	fake_expect_fenced(test, 1, 1);
}

/* A flush in an interrupt */
struct fake_nested {
	struct fake_smmu *fake;
	call_single_data_t interrupt;
	struct irq_work flush;
	enum arm_smmu_atc_state state; /* of the master that it finds */
};

static void fake_nested_flush(struct irq_work *work)
{
	struct fake_nested *nested =
		container_of(work, struct fake_nested, flush);
	struct fake_smmu *fake = nested->fake;
	struct arm_smmu_master *master = &fake->masters[0].master;

	nested->state = READ_ONCE(master->fence.state);
	if (fake_flush_escapes(fake, &fake->domain, 1))
		fake_complain(fake, "the nested flush let a device escape");
	if (READ_ONCE(master->fence.state) != ARM_SMMU_ATC_FENCED)
		fake_complain(fake, "the nested flush did not help");
	complete(&fake->go);
}

/* Where a flush may be: an interrupt, but none that PREEMPT_RT leaves one */
static void fake_interrupt(void *data)
{
	struct fake_nested *nested = data;

	irq_work_queue(&nested->flush);
}

/* The interrupt is pending until the fence has completed its CMD_SYNC */
static void fake_interrupt_fence(struct fake_smmu *fake,
				 const struct arm_smmu_cmd *cmd)
{
	struct fake_nested *nested = fake->priv;

	if (fake_cmd_op(cmd) == CMDQ_OP_CFGI_STE && fake->go_at &&
	    !--fake->go_at)
		smp_call_function_single_async(cpumask_first(cpu_online_mask),
					       &nested->interrupt);
}

/* A flush in an interrupt on the CPU that is fencing the same master */
static void arm_smmu_atc_test_nested_in_fence(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct fake_nested *nested =
		kunit_kzalloc(test, sizeof(*nested), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, nested);
	nested->fake = fake;
	init_irq_work(&nested->flush, fake_nested_flush);
	INIT_CSD(&nested->interrupt, fake_interrupt, nested);
	fake->priv = nested;
	fake->before_cmd = fake_interrupt_fence;
	fake->go_at = 1;
	fake_attach(test, 1);
	fake_fail_batch(test, 1);
	fake_recover(test, -ETIMEDOUT);
	wait_for_completion(&fake->go);
	KUNIT_EXPECT_EQ(test, nested->state, ARM_SMMU_ATC_FENCING);
	fake_expect_seen(test, .atc_invs = 1, .cfgi_stes = 2, .syncs = 1 + 2,
			 .errors = 1);
	fake_expect_fenced(test, 0, 1);
}

/*
 * Attaches
 */

static void fake_store_stes_now(struct fake_smmu *fake,
				const struct arm_smmu_cmd *cmd)
{
	unsigned int i;

	for (i = 0; i < fake->num_masters; i++)
		fake_store_stes(fake, &fake->masters[i].master);
}

/* An attach has decided for EATS, and stores it before each of the commands */
static void arm_smmu_atc_test_attach_while_fencing(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach_all(test, 2, 2, 1);
	fake->before_cmd = fake_store_stes_now;
	fake_kill(test, 1);
	fake_flush(test);
	fake_store_stes_now(fake, NULL);
	fake_expect_fenced(test, 0, 1);
}

enum fake_ste {
	FAKE_STE_ABORT,
	FAKE_STE_BYPASS,
	FAKE_STE_S1,
	FAKE_STE_S1_OTHER,
	FAKE_STE_S1_NO_ATS,
	FAKE_STE_S1DSS_BYPASS,
	FAKE_STE_S2,
	FAKE_STE_NESTED,
};

static const struct fake_transition {
	const char *name;
	enum fake_ste from, to;
} fake_transitions[] = {
	{ "blocked to paging", FAKE_STE_ABORT, FAKE_STE_S1 },
	{ "paging to blocked", FAKE_STE_S1, FAKE_STE_ABORT },
	{ "paging to paging", FAKE_STE_S1, FAKE_STE_S1_OTHER },
	{ "paging to the same", FAKE_STE_S1, FAKE_STE_S1 },
	{ "ATS off", FAKE_STE_S1, FAKE_STE_S1_NO_ATS },
	{ "ATS on", FAKE_STE_S1_NO_ATS, FAKE_STE_S1 },
	{ "paging to identity", FAKE_STE_S1, FAKE_STE_BYPASS },
	{ "identity to paging", FAKE_STE_BYPASS, FAKE_STE_S1 },
	{ "first PASID of identity", FAKE_STE_BYPASS, FAKE_STE_S1DSS_BYPASS },
	/* The downgrade of the CD table */
	{ "last PASID of identity", FAKE_STE_S1DSS_BYPASS, FAKE_STE_BYPASS },
	{ "stage 1 to stage 2", FAKE_STE_S1, FAKE_STE_S2 },
	{ "stage 2 to stage 1", FAKE_STE_S2, FAKE_STE_S1 },
	{ "paging to nested", FAKE_STE_S2, FAKE_STE_NESTED },
	{ "nested to paging", FAKE_STE_NESTED, FAKE_STE_S2 },
	{ "nested to blocked", FAKE_STE_NESTED, FAKE_STE_ABORT },
	{ "blocked to nested", FAKE_STE_ABORT, FAKE_STE_NESTED },
	{ "stage 1 to nested", FAKE_STE_S1, FAKE_STE_NESTED },
};

KUNIT_ARRAY_PARAM_DESC(fake_transition, fake_transitions, name);

static void fake_make_s2_ste(struct arm_smmu_master *master,
			     struct arm_smmu_ste *ste)
{
	struct io_pgtable pgtable = {};
	struct arm_smmu_domain smmu_domain = { .pgtbl_ops = &pgtable.ops };

	pgtable.cfg.arm_lpae_s2_cfg.vttbr = 0x600000;
	pgtable.cfg.arm_lpae_s2_cfg.vtcr.tsz = 24;
	arm_smmu_make_s2_domain_ste(ste, master, &smmu_domain, true);
}

static void fake_make_ste(struct arm_smmu_master *master, enum fake_ste which,
			  struct arm_smmu_ste *ste)
{
	struct arm_smmu_ste s2;
	unsigned int i;

	memset(ste, 0, sizeof(*ste));
	switch (which) {
	case FAKE_STE_ABORT:
		arm_smmu_make_abort_ste(ste);
		break;
	case FAKE_STE_BYPASS:
		arm_smmu_make_bypass_ste(master->smmu, ste);
		break;
	case FAKE_STE_S1_OTHER:
		master->cd_table.cdtab_dma = FAKE_CDTAB_DMA + SZ_64K;
		fallthrough;
	case FAKE_STE_S1:
		arm_smmu_make_cdtable_ste(ste, master, true,
					  STRTAB_STE_1_S1DSS_SSID0);
		master->cd_table.cdtab_dma = FAKE_CDTAB_DMA;
		break;
	case FAKE_STE_S1_NO_ATS:
		arm_smmu_make_cdtable_ste(ste, master, false,
					  STRTAB_STE_1_S1DSS_SSID0);
		break;
	case FAKE_STE_S1DSS_BYPASS:
		arm_smmu_make_cdtable_ste(ste, master, true,
					  STRTAB_STE_1_S1DSS_BYPASS);
		break;
	case FAKE_STE_S2:
		fake_make_s2_ste(master, ste);
		break;
	case FAKE_STE_NESTED:
		arm_smmu_make_cdtable_ste(ste, master, true,
					  STRTAB_STE_1_S1DSS_SSID0);
		fake_make_s2_ste(master, &s2);
		ste->data[0] |= cpu_to_le64(FIELD_PREP(STRTAB_STE_0_CFG,
						STRTAB_STE_0_CFG_NESTED));
		ste->data[1] |= cpu_to_le64(STRTAB_STE_1_MEV);
		for (i = 2; i < ARRAY_SIZE(ste->data); i++)
			ste->data[i] = s2.data[i];
		break;
	}
}

/* Memory and the SMMU have the same STE */
static void fake_put_ste(struct fake_smmu *fake, u32 sid,
			 const struct arm_smmu_ste *ste)
{
	*fake_ste(fake, sid) = *ste;
	fake->sids[sid].ste = *ste;
	fake->sids[sid].eats = fake_ste_has_eats(ste);
}

/* Let the fence begin when the attach has sent the go_at-th command */
static void fake_go_before_cmd(struct fake_smmu *fake,
			       const struct arm_smmu_cmd *cmd)
{
	enum arm_smmu_atc_state *state = &fake->masters[0].master.fence.state;
	ktime_t until;

	if (!fake->go_at || --fake->go_at)
		return;

	complete(&fake->go);
	until = ktime_add_ms(ktime_get(), FAKE_UNSEEN_MS);
	while (READ_ONCE(*state) == ARM_SMMU_ATC_OK &&
	       !READ_ONCE(fake->stopping)) {
		if (ktime_after(ktime_get(), until)) {
			fake_complain(fake, "the fence does not begin");
			return;
		}
	}
}

static int fake_attach_thread(struct fake_thread *thread)
{
	const struct fake_transition *transition = thread->test->param_value;
	struct fake_smmu *fake = thread->test->priv;
	struct arm_smmu_master *master = &fake->masters[0].master;
	struct arm_smmu_ste target;
	bool too_late;

	fake_make_ste(master, transition->to, &target);
	arm_smmu_install_ste_for_dev(master, &target);
	fake_settle(fake);

	/* The attach is over, and the fence has yet to begin */
	too_late = fake->go_at;
	if (too_late) {
		fake->go_at = 0;
		complete(&fake->go);
	}
	return too_late;
}

static int fake_fence_thread(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;

	wait_for_completion(&fake->go);
	arm_smmu_atc_recover(&fake->smmu, &fake->batch, -ETIMEDOUT);
	return fake_sid(thread->test, 0)->eats;
}

/*
 * The fence begins before the attach, when the attach is at each of its commands,
 * that is, between any two of the stores that the SMMU is told of, and after it.
 * fake_check() looks for EATS meanwhile. Neither may undo what the other has done.
 */
static void arm_smmu_atc_test_attach_steps(struct kunit *test)
{
	const struct fake_transition *transition = test->param_value;
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_ste from, target, *ste;
	struct fake_thread threads[2] = {};
	struct arm_smmu_master *master;
	unsigned int at;

	fake_cpu_or_skip(test);
	fake_add_master(test, 1);
	master = fake_master(test, 0);
	ste = fake_ste(fake, FAKE_FIRST_SID);
	fake_make_ste(master, transition->from, &from);
	fake_make_ste(master, transition->to, &target);
	target.data[1] &= ~cpu_to_le64(STRTAB_STE_1_EATS);

	for (at = 0; !threads[0].ret; at++) {
		fake_put_ste(fake, FAKE_FIRST_SID, &from);
		fake_fail_batch(test, 1);
		if (!at) {
			fake_recover(test, -ETIMEDOUT);
			fake_attach_thread(&(struct fake_thread){ test });
		} else {
			fake->before_cmd = fake_go_before_cmd;
			fake->go_at = at;
			fake_run(test, threads, 2, 2, fake_attach_thread,
				 fake_fence_thread);
			KUNIT_EXPECT_EQ(test, threads[1].ret, 0);
		}
		fake_settle(fake);
		fake_expect_no_escape(test);

		fake_expect_state(test, 0, ARM_SMMU_ATC_FENCED);
		KUNIT_EXPECT_MEMEQ(test, ste->data, target.data, sizeof(*ste));
		/* And the SMMU was told all of it */
		KUNIT_EXPECT_MEMEQ(test, fake_sid(test, 0)->ste.data,
				   target.data, sizeof(*ste));
		fake->before_cmd = NULL;
		fake_reset(fake, master);
	}
}

#define FAKE_STORES	30000

static int fake_store_thread(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;
	__le64 *word = &fake_ste(fake, FAKE_FIRST_SID)->data[1];
	u64 val, stored;
	unsigned int i;
	int ret = 0;

	for (i = 0; !completion_done(&fake->go); i++) {
		val = FIELD_PREP(STRTAB_STE_1_EATS, STRTAB_STE_1_EATS_TRANS) |
		      FIELD_PREP(STRTAB_STE_1_S1DSS, i % 3) | (u64)i << 32;
		arm_smmu_atc_set_ste_qword(&fake->masters[0].master, word,
					   cpu_to_le64(val));
		stored = le64_to_cpu(READ_ONCE(*word));
		if ((stored ^ val) & ~STRTAB_STE_1_EATS)
			ret = -EINVAL;
		WRITE_ONCE(fake->go_at, i);
	}
	return ret;
}

static int fake_clear_thread(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;
	struct arm_smmu_atc_fence *fence = &fake->masters[0].master.fence;
	struct arm_smmu_ste *ste = fake_ste(fake, FAKE_FIRST_SID);
	int i, j, ret = 0;

	for (i = 0; i < FAKE_STORES || READ_ONCE(fake->go_at) < FAKE_STORES;
	     i++) {
		guard(raw_spinlock_irqsave)(&fence->lock);
		WRITE_ONCE(fence->state, ARM_SMMU_ATC_FENCING);
		arm_smmu_atc_clear_eats(&fake->smmu, ste);
		for (j = 0; j < 8; j++)
			if (fake_ste_has_eats(ste))
				ret = -EINVAL;
		WRITE_ONCE(fence->state, ARM_SMMU_ATC_OK);
	}
	complete(&fake->go);
	return ret;
}

/* The same without an SMMU in between, as fast as they can */
static void arm_smmu_atc_test_store_races(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct fake_thread threads[2];

	fake_add_master(test, 1);
	fake_run(test, threads, 2, 2, fake_store_thread, fake_clear_thread);
	/* Neither has lost what the attach has stored */
	KUNIT_EXPECT_EQ(test, threads[0].ret, 0);
	/* Nor has EATS come back while it was being fenced */
	KUNIT_EXPECT_EQ(test, threads[1].ret, 0);
	arm_smmu_atc_clear_eats(&fake->smmu, fake_ste(fake, FAKE_FIRST_SID));
}

/*
 * Flushes, attaches, resets and devices at random
 */

#define FAKE_RANDOM_ACTS	2000 /* of all threads, in each mode */

/* What each of the flushes has found before it began */
struct fake_random {
	unsigned int cmds;
	atomic_t acts;
	struct rnd_state rnd;
	struct mutex attach_lock; /* as the group mutex of all masters */
	struct {
		bool fenced;
		u32 gen;
	} before[FAKE_MAX_THREADS][FAKE_MAX_MASTERS];
	struct arm_smmu_domain *domains[3];
};

/*
 * All but the first Stream ID may stop answering, permanently or once. A flush
 * does not ask a master that it has found fenced, unless it was reset meanwhile.
 */
static void fake_random_step(struct fake_smmu *fake,
			     const struct arm_smmu_cmd *cmd)
{
	u64 flush = (cmd->data[1] & CMDQ_ATC_1_ADDR_MASK) / SZ_4K;
	u32 sid = FIELD_GET(CMDQ_ATC_0_SID, cmd->data[0]);
	struct fake_random *random = fake->priv;
	u32 dice = prandom_u32_state(&random->rnd);
	struct fake_master *m;
	unsigned int i;

	random->cmds++;
	if (dice % 16 == 0) {
		i = FAKE_FIRST_SID + 1 + (dice >> 8) % (fake->num_sids - 1);
		WRITE_ONCE(fake->sids[i].timeouts,
			   (dice >> 4) % 4 ? FAKE_DEAD : 1);
	}

	/* A reset asks for all of the ATC */
	if (fake_cmd_op(cmd) != CMDQ_OP_ATC_INV ||
	    FIELD_GET(CMDQ_ATC_1_SIZE, cmd->data[1]) == ATC_INV_SIZE_ALL)
		return;

	m = container_of(arm_smmu_load_master(&fake->smmu, sid),
			 struct fake_master, master);
	i = m - fake->masters;
	if (random->before[flush][i].fenced &&
	    random->before[flush][i].gen == READ_ONCE(m->master.fence.gen))
		fake_complain(fake, "a fenced master was asked");
}

static unsigned int fake_random_below(struct fake_thread *thread,
				      unsigned int below)
{
	return prandom_u32_state(&thread->rnd) % below;
}

/* It must not ask a master that it has found fenced, and no device may escape */
static void fake_random_flush(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;
	struct fake_random *random = fake->priv;
	struct arm_smmu_domain *smmu_domain =
		random->domains[fake_random_below(thread, 3)];
	unsigned int i;

	for (i = 0; i < fake->num_masters; i++) {
		struct arm_smmu_master *master = fake_master(thread->test, i);

		guard(raw_spinlock_irqsave)(&master->fence.lock);
		random->before[thread->id][i].fenced =
			master->fence.state == ARM_SMMU_ATC_FENCED;
		random->before[thread->id][i].gen = master->fence.gen;
	}
	if (fake_flush_escapes(fake, smmu_domain, thread->id))
		fake_complain(fake, "a flush has returned too early");
}

static void fake_random_attach(struct fake_thread *thread, bool reset)
{
	struct fake_smmu *fake = thread->test->priv;
	struct fake_random *random = fake->priv;
	struct arm_smmu_master *master =
		fake_master(thread->test,
			    fake_random_below(thread, fake->num_masters));
	struct arm_smmu_ste target;

	guard(mutex)(&random->attach_lock);
	if (reset) {
		/* As the core does: blocked while it is reset */
		fake_make_ste(master, FAKE_STE_ABORT, &target);
		arm_smmu_install_ste_for_dev(master, &target);
		fake_reset(fake, master);
		fake_make_ste(master, FAKE_STE_S1, &target);
	} else {
		fake_make_ste(master,
			      fake_random_below(thread, FAKE_STE_NESTED + 1),
			      &target);
	}
	arm_smmu_install_ste_for_dev(master, &target);
}

static int fake_random_thread(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;
	struct fake_random *random = fake->priv;
	unsigned int what;
	int ret = 0;

	while (atomic_inc_return(&random->acts) <= FAKE_RANDOM_ACTS) {
		what = fake_random_below(thread, 100);
		if (what < 65)
			fake_random_flush(thread);
		else if (what < 80)
			ret |= fake_issue_tlbi(thread->test, what % 4, true);
		else
			fake_random_attach(thread, what < 90);
	}
	return ret;
}

/*
 * Flushes, attaches and resets on all CPUs that there are, and devices that stop
 * answering at any command. The seed makes them do the same again, but not at the
 * same time.
 */
static void arm_smmu_atc_test_random(struct kunit *test)
{
	struct fake_thread threads[FAKE_MAX_THREADS];
	u32 now = seed ?: get_random_u32() ?: 1;
	struct fake_smmu *fake = test->priv;
	unsigned int i, num, fenced = 0;
	struct fake_random *random;

	random = kunit_kzalloc(test, sizeof(*random), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, random);
	mutex_init(&random->attach_lock);
	kunit_info(test, "seed %u", now);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		prandom_seed_state(&threads[i].rnd, (u64)now << 2 | i);
	prandom_seed_state(&random->rnd, (u64)now << 2 | i);

	/* One that never fails, one that is often alone, and two of several */
	for (i = 0; i < 4; i++)
		fake_add_master(test, 1 + i / 2);
	for (i = 0; i < fake->num_sids; i++) {
		struct arm_smmu_ste ste;

		fake_make_ste(fake_master(test, 0), FAKE_STE_S1, &ste);
		fake_put_ste(fake, FAKE_FIRST_SID + i, &ste);
	}
	fake_attach_to(test, &fake->domain, 0, 4, 2);
	fake_attach_to(test, &fake->domain2, 1, 1, 1);
	random->domains[0] = &fake->domain;
	random->domains[1] = &fake->domain2;
	random->domains[2] = &fake->domain;
	fake->endless = true;
	fake->priv = random;
	fake->before_cmd = fake_random_step;

	num = fake_run(test, threads, ARRAY_SIZE(threads), 1,
		       fake_random_thread, fake_random_thread);

	/* No thread was told of an error that is not its own */
	for (i = 0; i < num; i++)
		KUNIT_EXPECT_EQ(test, threads[i].ret, 0);
	fake_expect_state(test, 0, ARM_SMMU_ATC_OK);
	for (i = 0; i < fake->num_masters; i++)
		fenced += fake_master(test, i)->fence.state ==
			  ARM_SMMU_ATC_FENCED;
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced), fenced);
	fake_settle(fake);
	fake_expect_no_errs_left(test);
	KUNIT_EXPECT_GT(test, random->cmds, FAKE_RANDOM_ACTS);
	kunit_info(test, "%u threads, %u acts, %u commands, %u errors", num,
		   FAKE_RANDOM_ACTS, random->cmds, fake->errors);
}

static struct kunit_case arm_smmu_atc_race_cases[] = {
	FAKE_CASE_MODES(attach_while_fencing),
	KUNIT_CASE_PARAM(arm_smmu_atc_test_attach_steps,
			 fake_transition_gen_params),
	FAKE_CASE_MODES(store_races),
	FAKE_CASE_MODES(irqs_off),
	FAKE_CASE_MODES(nested_in_fence),
	FAKE_CASE_MODES(two_flushes),
	FAKE_CASE_MODES(flush_and_innocent),
	FAKE_CASE_MODES(many_flushes),
	FAKE_CASE_MODES(random),
	{},
};

FAKE_SUITE("race", arm_smmu_atc_race_cases);
