// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the command queue, on a fake SMMU: who learns of an error, what
 * becomes of the commands around it, and what happens when no command is
 * consumed any more.
 *
 * Copyright (C) 2026 The ATC fence authors
 */
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/moduleparam.h>
#include <linux/panic.h>

#include "arm-smmu-v3-fake.h"

#define FAKE_ILLEGAL	CMDQ_ERR_CERROR_ILL_IDX
#define FAKE_ABORT	CMDQ_ERR_CERROR_ABT_IDX

/* Issue @n TLBIs and a CMD_SYNC, and expect what that returns */
static void fake_expect_sync(struct kunit *test, int n, int ret)
{
	KUNIT_EXPECT_EQ(test, ret, fake_issue_tlbi(test, n, true));
}

/* The same without a CMD_SYNC: an error is not known yet */
static void fake_expect_no_sync(struct kunit *test, int n)
{
	KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, n, false));
}

static void fake_expect_atc_inv(struct kunit *test, unsigned int i, int ret)
{
	KUNIT_EXPECT_EQ(test, ret, fake_issue_atc_inv(test, i));
}

/* A CMD_ATC_INV of a submitter that does not wait for it */
static void fake_leave_atc_inv(struct kunit *test, unsigned int i)
{
	struct arm_smmu_cmd cmd =
		arm_smmu_make_cmd_atc_inv_all(FAKE_FIRST_SID + i, 0);
	struct fake_smmu *fake = test->priv;

	fake_cpu_or_skip(test);
	KUNIT_EXPECT_EQ(test, 0,
			arm_smmu_cmdq_issue_cmdlist(&fake->smmu,
						    &fake->smmu.cmdq, &cmd, 1,
						    false));
}

/* Go round until the next list begins in slot @idx */
static void fake_go_to_slot(struct kunit *test, u32 idx)
{
	struct fake_smmu *fake = test->priv;
	u32 n;

	fake_settle(fake);
	n = (idx - fake->queues[0].cons) % FAKE_Q_ENTS;
	for (; n; n -= min(n, CMDQ_BATCH_ENTRIES))
		fake_expect_no_sync(test, min(n, CMDQ_BATCH_ENTRIES));
	fake_settle(fake);
}

/*
 * Errors
 */

static void arm_smmu_atc_test_queue_healthy(struct kunit *test)
{
	int i;

	/* Twice round the queue */
	for (i = 0; i < FAKE_Q_ENTS / 16; i++)
		fake_expect_sync(test, 31, 0);
	fake_expect_seen(test, .tlbis = FAKE_Q_ENTS / 16 * 31,
			 .syncs = FAKE_Q_ENTS / 16);
}

static void arm_smmu_atc_test_queue_error_to_owner(struct kunit *test)
{
	fake_attach(test, 2);
	fake_kill(test, 0);

	fake_expect_no_sync(test, 3);
	fake_expect_atc_inv(test, 0, -ETIMEDOUT);
	fake_expect_sync(test, 3, 0);
	fake_expect_atc_inv(test, 1, 0);
	fake_expect_atc_inv(test, 0, -ETIMEDOUT);
	fake_expect_no_errs_left(test);
}

/* Of the CPUs that wait, another one has read GERROR just now */
static void arm_smmu_atc_test_queue_check_in_turn(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	atomic64_t *next = &fake->smmu.cmdq.next_check;
	ktime_t turn = ktime_add_ms(ktime_get(), 100);

	fake_attach(test, 1);
	fake_kill(test, 0);
	atomic64_set(next, turn);
	fake_expect_atc_inv(test, 0, -ETIMEDOUT);
	KUNIT_EXPECT_TRUE(test, ktime_after(ktime_get(), turn));
	KUNIT_EXPECT_GT(test, atomic64_read(next), turn);
}

/*
 * An error at any place of a list is its owner's, across the end of the queue.
 * The last place is that of the CMD_SYNC. With MSIs this takes two seconds,
 * because what replaces the CMD_SYNC sends none.
 */
static void arm_smmu_atc_test_queue_error_in_wrap(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < 6; i++) {
		fake_go_to_slot(test, FAKE_Q_ENTS - 3);
		fake_fault(test, i, FAKE_ILLEGAL);
		fake_expect_sync(test, 5, -EIO);
		fake_expect_sync(test, 5, 0);
		fake_expect_no_errs_left(test);
	}
}

static void arm_smmu_atc_test_queue_error_behind_list(struct kunit *test)
{
	/* The first command of the next list, which has no CMD_SYNC */
	fake_fault(test, 6, FAKE_ILLEGAL);
	fake_expect_sync(test, 5, 0);
	fake_expect_no_sync(test, 1);
	fake_expect_sync(test, 1, 0);
}

static void arm_smmu_atc_test_queue_stale_error(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	int i;

	/* The next submitter finds it, and records it for an owner that is gone */
	fake_fault(test, 0, FAKE_ILLEGAL);
	fake_expect_no_sync(test, 1);
	fake_expect_sync(test, 1, 0);
	KUNIT_EXPECT_EQ(test, fake->smmu.cmdq.nr_errs, 1);

	/* The record goes when its slot is used again */
	for (i = 0; i < FAKE_Q_ENTS / 32; i++)
		fake_expect_sync(test, 31, 0);
	fake_expect_no_errs_left(test);
}

/* The same with two errors of one command, which is a CMD_SYNC after the first */
static void arm_smmu_atc_test_queue_stale_errors(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	int i;

	fake_attach(test, 1);
	fake_kill(test, 0);
	fake_fault(test, 2, FAKE_ILLEGAL);
	fake_leave_atc_inv(test, 0);
	fake_expect_no_sync(test, 3);
	fake_expect_sync(test, 1, 0);
	KUNIT_EXPECT_EQ(test, fake->smmu.cmdq.nr_errs, 2);

	for (i = 0; i < FAKE_Q_ENTS / 32; i++)
		fake_expect_sync(test, 31, 0);
	fake_expect_no_errs_left(test);
}

/* Hold the lock of the errors until the other thread is done, or for 2 s */
static int fake_lock_thread(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;
	unsigned int ms;

	guard(raw_spinlock_irqsave)(&fake->smmu.cmdq.err_lock);
	complete(&fake->go);
	for (ms = 0; ms < 2000 && READ_ONCE(fake->go_at); ms++)
		mdelay(1);
	return READ_ONCE(fake->go_at);
}

static int fake_sync_thread(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;
	int ret;

	wait_for_completion(&fake->go);
	ret = fake_issue_tlbi(thread->test, 5, true);
	WRITE_ONCE(fake->go_at, 0);
	return ret;
}

/* A record that is left keeps no other list from doing without the lock */
static void arm_smmu_atc_test_queue_stale_error_of_others(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct fake_thread threads[2];

	fake_fault(test, 0, FAKE_ILLEGAL);
	fake_expect_no_sync(test, 1);
	fake_expect_sync(test, 1, 0);
	KUNIT_EXPECT_EQ(test, fake->smmu.cmdq.nr_errs, 1);

	fake->go_at = 1;
	fake_run(test, threads, 2, 2, fake_sync_thread, fake_lock_thread);
	KUNIT_EXPECT_EQ(test, threads[0].ret, 0);
	KUNIT_EXPECT_EQ(test, threads[1].ret, 0);
	KUNIT_EXPECT_EQ(test, fake->smmu.cmdq.nr_errs, 1);
}

static void arm_smmu_atc_test_queue_error_twice(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 2);
	fake->one_at_a_time = true;
	fake_kill(test, 0);
	fake_kill(test, 1);

	/* The same CMD_SYNC stops the queue for the one and for the other */
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_batch(test, 2));
	fake_expect_seen(test, .atc_invs = 2, .syncs = 1, .errors = 2);
	fake_expect_no_errs_left(test);
	fake_expect_sync(test, 1, 0);
}

/*
 * The CMD_SYNC of a list waits for the CMD_ATC_INVs in front of the list, too. A
 * command of the list that was not executed is what its submitter has to know.
 */
static void arm_smmu_atc_test_queue_timeout_of_others(struct kunit *test)
{
	fake_attach(test, 1);
	fake_kill(test, 0);
	fake_leave_atc_inv(test, 0);
	fake_expect_sync(test, 3, -ETIMEDOUT);

	/* What replaces the second of its commands waits for the device */
	fake_fault(test, 2, FAKE_ILLEGAL);
	fake_leave_atc_inv(test, 0);
	fake_expect_sync(test, 3, -EIO);
	fake_expect_seen(test, .atc_invs = 2, .tlbis = 3 + 2, .syncs = 1 + 2,
			 .errors = 1 + 2);
	fake_expect_no_errs_left(test);
	fake_expect_sync(test, 3, 0);
}

/* The same CMD_SYNC stops the queue again and again, and completes at last */
FAKE_SCENARIO(queue_sticky, .dead = { 0, 1 }, .sticky = 5,
	      .seen = { .atc_invs = 1, .cfgi_stes = 1, .syncs = 2,
			.errors = 1 + 5 },
	      .fenced = { 0, 1 })

/*
 * An error is progress. The errors of one CMD_SYNC are progress no more often than
 * there can be CMD_ATC_INVs in front of it.
 */
static void arm_smmu_atc_test_queue_signs(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_cmdq *cmdq = &fake->smmu.cmdq;

	fake_attach(test, 1);
	fake_kill(test, 0);
	fake->sticky = CMDQ_BATCH_ENTRIES + 5;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_atc_inv(test, 0));
	KUNIT_EXPECT_EQ(test, fake->errors, 1 + CMDQ_BATCH_ENTRIES + 5);
	KUNIT_EXPECT_EQ(test, cmdq->progress, CMDQ_BATCH_ENTRIES);

	/* The next error is that of another CMD_SYNC */
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_atc_inv(test, 0));
	KUNIT_EXPECT_EQ(test, cmdq->progress, CMDQ_BATCH_ENTRIES + 1);
}

/*
 * CONS is past the CMD_SYNC, and its MSI is not written yet: it would be written
 * to the next command in that slot.
 */
static void arm_smmu_atc_test_queue_late_msi(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_queue *q = &fake->smmu.cmdq.q;

	fake->smmu.options |= ARM_SMMU_OPT_MSIPOLL;
	fake->late_msi_us = ARM_SMMU_POLL_TIMEOUT_US * 3 / 2;
	fake_expect_sync(test, 1, 0);
	KUNIT_EXPECT_EQ(test, lower_32_bits(le64_to_cpu(*Q_ENT(q, 1))), 0);
}

static void arm_smmu_atc_test_queue_illegal(struct kunit *test)
{
	fake_fault(test, 1, FAKE_ILLEGAL);
	fake_expect_sync(test, 3, -EIO);
	/* The illegal one was made a CMD_SYNC, so that the queue can go on */
	fake_expect_seen(test, .tlbis = 2, .syncs = 2, .errors = 1);
}

/* Expect two CMD_SYNCs that signal by @cs, and the first for an illegal command */
static void fake_expect_replaced(struct kunit *test, struct arm_smmu_cmdq *cmdq,
				 u32 cs)
{
	struct arm_smmu_cmd cmd =
		arm_smmu_make_cmd_tlbi(CMDQ_OP_TLBI_NH_ASID, 0, 0);
	struct fake_smmu *fake = test->priv;
	unsigned int i;

	fake_cpu_or_skip(test);
	fake_forget_log(test);
	fake_fault(test, 0, FAKE_ILLEGAL);
	KUNIT_EXPECT_EQ(test, -EIO,
			arm_smmu_cmdq_issue_cmdlist(&fake->smmu, cmdq, &cmd, 1,
						    true));
	fake_expect_seen(test, .syncs = 2, .errors = 1);
	for (i = 0; i < 2; i++) {
		u32 found = FIELD_GET(CMDQ_SYNC_0_CS,
				      fake->log[i].cmd.data[0]);

		KUNIT_EXPECT_EQ(test, found, cs);
	}
}

/*
 * What replaces an illegal command signals as the CMD_SYNCs of the queue do. That
 * of a VCMDQ cannot send an event.
 */
static void arm_smmu_atc_test_queue_illegal_signal(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_add_queue(test, &fake_cmdq2_ops);
	fake_expect_replaced(test, &fake->cmdq2, CMDQ_SYNC_0_CS_SEV);
	fake->smmu.options |= ARM_SMMU_OPT_TEGRA241_CMDQV;
	fake_expect_replaced(test, &fake->smmu.cmdq, CMDQ_SYNC_0_CS_SEV);
	fake_expect_replaced(test, &fake->cmdq2, CMDQ_SYNC_0_CS_NONE);
}

static void fake_expect_logged(struct kunit *test, unsigned int n,
			       const char *what)
{
	struct fake_smmu *fake = test->priv;

	irq_work_sync(&fake->smmu.cmdq.err_work);
	KUNIT_EXPECT_EQ(test, n, fake_count_log(test, fake->smmu.dev, what));
}

/* Of many errors in one moment the first four are logged, the others counted */
static void arm_smmu_atc_test_queue_errors_logged(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	if (!IS_ENABLED(CONFIG_PRINTK))
		kunit_skip(test, "needs a kernel log");

	/* There is no such code: it is as for an illegal command */
	fake_fault(test, 0, 7);
	fake_expect_sync(test, 1, -EIO);
	fake_expect_logged(test, 1, "CMDQ error (cons 0x07000000): Unknown");
	fake_expect_logged(test, 1, "skipped command in error state");
	fake_expect_logged(test, 2, "\t0x");
	fake_expect_logged(test, 0, "0 more CMDQ errors");

	/* One submitter takes them all, with IRQs off until it returns */
	fake_forget_log(test);
	fake_attach(test, 1);
	fake_kill(test, 0);
	fake->sticky = 5;
	fake_expect_atc_inv(test, 0, -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, fake->errors, 1 + 5);
	fake_expect_logged(test, 4, "CMDQ error (cons 0x03000003): ATC inv");
	fake_expect_logged(test, 1, "2 more CMDQ errors");
}

static void arm_smmu_atc_test_queue_abort(struct kunit *test)
{
	fake_fault(test, 1, FAKE_ABORT);
	fake_expect_sync(test, 3, 0);
	/* It could not be fetched at first */
	fake_expect_seen(test, .tlbis = 3, .syncs = 1, .errors = 1);
}

/* The queue stops, and is filled by submitters that wait for no command */
static void arm_smmu_atc_test_queue_full(struct kunit *test)
{
	int i;

	fake_fault(test, 0, FAKE_ILLEGAL);
	for (i = 0; i <= FAKE_Q_ENTS / 32; i++)
		fake_expect_no_sync(test, 32);
	fake_expect_sync(test, 1, 0);
	fake_expect_seen(test, .tlbis = FAKE_Q_ENTS + 32, .syncs = 2,
			 .errors = 1);
}

/* Only CMDQ_ERR is acknowledged: fake_check_gerrorn() checks that, too */
static void arm_smmu_atc_test_queue_other_gerror(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	u32 __iomem *gerror = fake->smmu.cmdq.gerror_reg;
	u32 __iomem *gerrorn = fake->smmu.cmdq.gerrorn_reg;

	writel(GERROR_EVTQ_ABT_ERR, gerror);
	fake_fault(test, 0, FAKE_ABORT);
	fake_expect_sync(test, 1, 0);
	KUNIT_EXPECT_EQ(test, readl(gerror) ^ readl(gerrorn),
			GERROR_EVTQ_ABT_ERR);
}

static void fake_expect_not_taken(struct kunit *test, u32 gerror)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_cmdq *cmdq = &fake->smmu.cmdq;

	writel(FIELD_PREP(CMDQ_CONS_ERR, FAKE_ILLEGAL), cmdq->q.cons_reg);
	writel(gerror, cmdq->gerror_reg);
	KUNIT_EXPECT_FALSE(test, arm_smmu_cmdq_take_error(&fake->smmu, cmdq));
	KUNIT_EXPECT_EQ(test, readl(cmdq->gerrorn_reg), 0);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(cmdq->q.base[0]), FAKE_POISON);
	fake_expect_no_errs_left(test);
}

static void arm_smmu_atc_test_take_no_error(struct kunit *test)
{
	/* CMDQ_CONS.ERR means nothing then */
	fake_expect_not_taken(test, 0);
	fake_expect_not_taken(test, GERROR_EVTQ_ABT_ERR);
}

static void arm_smmu_atc_test_take_service_failure(struct kunit *test)
{
	fake_expect_not_taken(test, GERROR_SFM_ERR | GERROR_CMDQ_ERR);
}

static void arm_smmu_atc_test_queue_off(struct kunit *test)
{
	fake_switch(test->priv, false);
	fake_expect_sync(test, 1, -ENODEV);
	fake_expect_seen(test, .syncs = 0);
}

/* No submitter waits for space when the SMMU is off */
static void arm_smmu_atc_test_queue_off_and_full(struct kunit *test)
{
	int i;

	fake_switch(test->priv, false);
	for (i = 0; i < FAKE_Q_ENTS / 32; i++)
		fake_expect_no_sync(test, 32);
	KUNIT_EXPECT_EQ(test, -ENODEV, fake_issue_tlbi(test, 1, false));
	fake_expect_seen(test, .tlbis = 0);
}

/*
 * The end of an SMMU
 */

static void fake_fail_at(struct fake_smmu *fake, const struct arm_smmu_cmd *cmd)
{
	u32 __iomem *gerror = fake->smmu.cmdq.gerror_reg;

	if (fake->log_num != fake->go_at)
		return;

	writel(readl(gerror) ^ GERROR_SFM_ERR, gerror);
	fake->failed = true;
	WRITE_ONCE(fake->hung_until, ktime_add_ms(ktime_get(), FAKE_UNSEEN_MS));
}

/* Flushes have returned because no transaction passes, fenced or not */
static void fake_expect_stopped(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_cmdq *cmdq = &fake->smmu.cmdq;
	u32 prod = readl(cmdq->q.prod_reg);

	KUNIT_EXPECT_TRUE(test, fake->smmu.stopped);
	KUNIT_EXPECT_TRUE(test, readl(fake->smmu.base + ARM_SMMU_GBPA) &
				GBPA_ABORT);
	KUNIT_EXPECT_FALSE(test, fake_is_translating(fake));

	/* No submitter waits any more, or gets a place in the queue */
	fake_expect_sync(test, 1, -ENODEV);
	KUNIT_EXPECT_EQ(test, -ENODEV, fake_issue_tlbi(test, 1, false));
	fake_flush(test);
	KUNIT_EXPECT_EQ(test, readl(cmdq->q.prod_reg), prod);
	irq_work_sync(&fake->smmu.stop_work);
	KUNIT_EXPECT_EQ(test, fake->stops_logged, 1);
}

/* Service Failure Mode at the @nth command */
static void fake_expect_stop_at(struct kunit *test, unsigned int nth)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_cmdq *cmdq = &fake->smmu.cmdq;

	fake->before_cmd = fake_fail_at;
	fake->go_at = nth;
	fake_attach(test, 2);
	fake_kill(test, 0);
	fake_flush(test);

	fake_expect_stopped(test);
	/* None of it is acknowledged */
	fake_check_gerrorn(&fake->queues[0]);
	KUNIT_EXPECT_EQ(test, readl(cmdq->gerror_reg) ^
			      readl(cmdq->gerrorn_reg), GERROR_SFM_ERR);
}

static void arm_smmu_atc_test_service_failure_in_retry(struct kunit *test)
{
	/* Two CMD_ATC_INVs and a CMD_SYNC, and one CMD_ATC_INV before it */
	fake_expect_stop_at(test, 4);
	fake_expect_none_fenced(test);
}

/* The CMD_CFGI_STE of a fence: the SMMU may not have executed it */
static void arm_smmu_atc_test_service_failure_in_fence(struct kunit *test)
{
	fake_expect_stop_at(test, 5);
}

/* An update of GBPA is under way: the driver must not write to it */
static void arm_smmu_atc_test_service_failure_gbpa_busy(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1);
	fake_cpu_or_skip(test);
	fake->gbpa_busy_until = ktime_add_us(ktime_get(),
					     ARM_SMMU_POLL_TIMEOUT_US * 9 / 5);
	writel(GBPA_UPDATE, fake->smmu.base + ARM_SMMU_GBPA);
	while (READ_ONCE(fake->gbpa) != GBPA_UPDATE)
		cpu_relax();
	fake->before_cmd = fake_fail_at;
	fake_expect_sync(test, 1, -ENODEV);
	fake_expect_stopped(test);
}

/*
 * It has failed, and does not react: it aborts by itself what devices do, as long
 * as it is enabled. Nothing is written to GBPA during an update, and SMMUEN is not
 * cleared before the update has ended.
 */
static void fake_expect_stop_of_stuck(struct kunit *test, u32 gbpa, u32 cr0)
{
	struct fake_smmu *fake = test->priv;
	void __iomem *base = fake->smmu.base;

	fake_cpu_or_skip(test);
	writel(GERROR_SFM_ERR, fake->smmu.cmdq.gerror_reg);
	arm_smmu_stop(&fake->smmu);
	KUNIT_EXPECT_EQ(test, fake->smmu.stopped, ARM_SMMU_STOPPED);
	KUNIT_EXPECT_EQ(test, readl(base + ARM_SMMU_GBPA), gbpa);
	KUNIT_EXPECT_EQ(test, readl(base + ARM_SMMU_CR0) & CR0_SMMUEN, cr0);
	KUNIT_EXPECT_TRUE(test, readl(base + ARM_SMMU_CR0ACK) & CR0_SMMUEN);
	fake_expect_sync(test, 1, -ENODEV);
}

static void arm_smmu_atc_test_service_failure_gbpa_stuck(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake->gbpa_busy_until = KTIME_MAX;
	fake_expect_stop_of_stuck(test, GBPA_ABORT | GBPA_UPDATE, CR0_SMMUEN);
}

static void arm_smmu_atc_test_service_failure_gbpa_never(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_cpu_or_skip(test);
	fake->gbpa_busy_until = KTIME_MAX;
	writel(GBPA_UPDATE, fake->smmu.base + ARM_SMMU_GBPA);
	while (READ_ONCE(fake->gbpa) != GBPA_UPDATE)
		cpu_relax();
	fake_expect_stop_of_stuck(test, GBPA_UPDATE, CR0_SMMUEN);
}

static void arm_smmu_atc_test_service_failure_smmuen_stuck(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake->smmuen_stuck = true;
	fake_expect_stop_of_stuck(test, GBPA_ABORT, 0);
}

/* A command has failed, and then the SMMU: the list returns the latter */
static void arm_smmu_atc_test_service_failure_after_error(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1);
	fake_fault(test, 1, FAKE_ILLEGAL);
	fake->before_cmd = fake_fail_at;
	fake->go_at = 2;
	fake_expect_sync(test, 3, -ENODEV);
	KUNIT_EXPECT_EQ(test, fake->smmu.cmdq.nr_errs, 1);
	fake_expect_stopped(test);
}

/* The bits of GERROR and GERRORN are equal: it was acknowledged, and is over */
static void arm_smmu_atc_test_service_failure_over(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_cmdq *cmdq = &fake->smmu.cmdq;
	struct arm_smmu_cmdq_wait wait = {};

	writel(GERROR_SFM_ERR, cmdq->gerror_reg);
	writel(GERROR_SFM_ERR, cmdq->gerrorn_reg);
	fake->queues[0].gerrorn = GERROR_SFM_ERR;
	KUNIT_EXPECT_EQ(test, 0,
			arm_smmu_cmdq_wait_on(&fake->smmu, cmdq, &wait));

	fake_attach(test, 1);
	fake_kill(test, 0);
	fake_flush(test);
	fake_expect_fenced(test, 0, 1);
	KUNIT_EXPECT_FALSE(test, fake->smmu.stopped);
}

static void fake_fault_at_next_cfgi(struct fake_smmu *fake)
{
	/* After the CMD_SYNC, or two of which one was a CMD_CFGI_STE */
	fake->fault_at = fake->log_num + (fake->errors == 1 ? 1 : 2);
	fake->fault = FAKE_ILLEGAL;
}

/* An SMMU that never executes CMD_CFGI_STE is stopped after eight tries */
static void arm_smmu_atc_test_cfgi_never(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1);
	fake->on_error = fake_fault_at_next_cfgi;
	fake_kill(test, 0);
	fake_flush(test);
	fake_expect_seen(test, .atc_invs = 1, .syncs = 1 + 2 * 8,
			 .errors = 1 + 8);
	fake_expect_stopped(test);
}

/*
 * The kernel panics on this CPU: no wait is long, the lock is not taken, and
 * lists return also when the SMMU could not be stopped. For the other CPUs this
 * is a panic as well, so it is short.
 */
static void arm_smmu_atc_test_stop_in_panic(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_cmdq_wait wait = {};
	enum arm_smmu_stopped stopped;
	int waited, issued;

	fake_cpu_or_skip(test);
	scoped_guard(irqsave) {
		KUNIT_ASSERT_TRUE(test, panic_try_start());
		waited = arm_smmu_cmdq_wait_on(&fake->smmu, &fake->smmu.cmdq,
					       &wait);
		arm_smmu_stop(&fake->smmu);
		stopped = fake->smmu.stopped;
		fake->smmu.stopped = ARM_SMMU_UNSTOPPABLE;
		issued = fake_issue_tlbi(test, 1, true);
		fake->smmu.stopped = ARM_SMMU_RUNNING;
		panic_reset();
	}
	KUNIT_EXPECT_EQ(test, waited, -ENODEV);
	KUNIT_EXPECT_EQ(test, stopped, ARM_SMMU_RUNNING);
	KUNIT_EXPECT_EQ(test, issued, -ENODEV);

	KUNIT_EXPECT_EQ(test, 0,
			arm_smmu_cmdq_wait_on(&fake->smmu, &fake->smmu.cmdq,
					      &wait));
	fake_expect_sync(test, 1, 0);
}

/*
 * The reset of an SMMU
 */

/* The SMMU is not enabled, and aborts what devices do */
static void fake_expect_reset_fails(struct kunit *test, int ret)
{
	struct fake_smmu *fake = test->priv;
	void __iomem *base = fake->smmu.base;

	fake_cpu_or_skip(test);
	fake_switch(fake, false);
	KUNIT_EXPECT_EQ(test, ret, arm_smmu_device_reset(&fake->smmu));
	KUNIT_EXPECT_EQ(test, 0, readl(base + ARM_SMMU_CR0) & CR0_SMMUEN);
	KUNIT_EXPECT_EQ(test, GBPA_ABORT,
			readl(base + ARM_SMMU_GBPA) & GBPA_ABORT);
	KUNIT_EXPECT_FALSE(test, fake_is_translating(fake));
}

static void fake_expect_reset(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_cpu_or_skip(test);
	fake_switch(fake, false);
	KUNIT_EXPECT_EQ(test, 0, arm_smmu_device_reset(&fake->smmu));
	KUNIT_EXPECT_TRUE(test, readl(fake->smmu.base + ARM_SMMU_CR0ACK) &
				CR0_SMMUEN);
	fake_expect_no_errs_left(test);
}

static void arm_smmu_atc_test_reset_smmu(struct kunit *test)
{
	fake_expect_reset(test);
	fake_expect_seen(test, .syncs = 2);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_CFGI_ALL), 1);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_TLBI_NSNH_ALL), 1);
}

/* Service Failure Mode from before: no command is executed, from the first on */
static void arm_smmu_atc_test_reset_smmu_failed(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1);
	writel(GERROR_SFM_ERR, fake->smmu.cmdq.gerror_reg);
	fake->failed = true;
	WRITE_ONCE(fake->hung_until, ktime_add_ms(ktime_get(), FAKE_UNSEEN_MS));
	fake_expect_reset_fails(test, -ENODEV);
	fake_expect_stopped(test);
}

static int fake_reset_thread(struct fake_thread *thread)
{
	fake_expect_reset_fails(thread->test, -ENODEV);
	return 0;
}

/* It is stopped as after 150 s, but does not take so long */
static int fake_stop_thread(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;

	while (!readl(fake->smmu.cmdq.q.prod_reg))
		cpu_relax();
	arm_smmu_stop(&fake->smmu);
	return 0;
}

/* The same without an error: the first CMD_SYNC never completes */
static void arm_smmu_atc_test_reset_smmu_hangs(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct fake_thread threads[2];

	fake_attach(test, 1);
	WRITE_ONCE(fake->hung_until, KTIME_MAX);
	fake_run(test, threads, 2, 2, fake_reset_thread, fake_stop_thread);
	fake_expect_stopped(test);
}

/* The command in @slot may not have been executed */
static void fake_expect_illegal_fails(struct kunit *test, u32 slot,
				      u32 features)
{
	struct fake_smmu *fake = test->priv;

	fake->smmu.features |= features;
	fake_fault(test, slot, FAKE_ILLEGAL);
	fake_expect_reset_fails(test, -EIO);
}

static void arm_smmu_atc_test_reset_smmu_illegal(struct kunit *test)
{
	fake_expect_illegal_fails(test, 0, ARM_SMMU_FEAT_HYP);
}

static void arm_smmu_atc_test_reset_smmu_illegal_tlbi(struct kunit *test)
{
	fake_expect_illegal_fails(test, 2, 0);
}

static void arm_smmu_atc_test_reset_smmu_illegal_el2(struct kunit *test)
{
	fake_expect_illegal_fails(test, 2, ARM_SMMU_FEAT_HYP);
}

static void arm_smmu_atc_test_reset_smmu_el2(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake->smmu.features |= ARM_SMMU_FEAT_HYP;
	fake_expect_reset(test);
	fake_expect_seen(test, .syncs = 3);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_TLBI_EL2_ALL), 1);
}

/* The kernel before has left an error, which is no command's of this one */
static void arm_smmu_atc_test_reset_smmu_old_error(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	u32 __iomem *gerror = fake->smmu.cmdq.gerror_reg;
	u32 __iomem *gerrorn = fake->smmu.cmdq.gerrorn_reg;

	writel(GERROR_CMDQ_ERR | GERROR_EVTQ_ABT_ERR, gerror);
	fake->queues[0].gerrorn = GERROR_CMDQ_ERR;
	fake_expect_reset(test);
	fake_expect_seen(test, .syncs = 2);
	KUNIT_EXPECT_EQ(test, readl(gerror) ^ readl(gerrorn),
			GERROR_EVTQ_ABT_ERR);
}

/* The timeout is that of a CMD_ATC_INV of the kernel before */
static void arm_smmu_atc_test_reset_smmu_old_atc_inv(struct kunit *test)
{
	fake_fault(test, 1, CMDQ_ERR_CERROR_ATC_INV_IDX);
	fake_expect_reset(test);
	fake_expect_seen(test, .syncs = 2, .errors = 1);
}

/*
 * Waiting
 */

/* The driver waits on after its own timeout, which does not end a wait */
FAKE_SCENARIO(late_answer, .late_us = ARM_SMMU_POLL_TIMEOUT_US * 5 / 4,
	      .seen = { .atc_invs = 1, .syncs = 1 })

/* A CMD_SYNC of the second queue completes late, and is waited for */
static void fake_expect_late(struct kunit *test)
{
	struct arm_smmu_cmd cmd =
		arm_smmu_make_cmd_tlbi(CMDQ_OP_TLBI_NH_ASID, 0, 0);
	struct fake_smmu *fake = test->priv;
	ktime_t until =
		ktime_add_us(ktime_get(), ARM_SMMU_POLL_TIMEOUT_US * 5 / 4);

	fake_cpu_or_skip(test);
	WRITE_ONCE(fake->hung_until, until);
	KUNIT_EXPECT_EQ(test, 0,
			arm_smmu_cmdq_issue_cmdlist(&fake->smmu, &fake->cmdq2,
						    &cmd, 1, true));
	KUNIT_EXPECT_TRUE(test, ktime_after(ktime_get(), until));
}

/* A VCMDQ sends no MSI, so it is polled though the SMMU has MSIs */
static void arm_smmu_atc_test_vcmdq_late(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_add_queue(test, &fake_cmdq2_ops);
	fake->smmu.options |= ARM_SMMU_OPT_MSIPOLL;
	fake_expect_late(test);
	fake->smmu.options |= ARM_SMMU_OPT_TEGRA241_CMDQV;
	fake_expect_late(test);
	fake_expect_seen(test, .tlbis = 2, .syncs = 2);
}

/* How long the queue may stand still; one call stands for one second of it */
#define FAKE_STOP_SECONDS	150

static void fake_wait_seconds(struct kunit *test,
			      struct arm_smmu_cmdq_wait *wait, unsigned int n)
{
	struct fake_smmu *fake = test->priv;

	while (n--)
		KUNIT_EXPECT_EQ(test, 0,
				arm_smmu_cmdq_wait_on(&fake->smmu,
						      &fake->smmu.cmdq, wait));
	KUNIT_EXPECT_FALSE(test, fake->smmu.stopped);
}

/*
 * An SMMU whose queue moves is not stopped, however long a submitter waits: behind
 * three devices that take a minute each, or for one CMD_SYNC that fails again and
 * again. The second in which the queue has moved does not count.
 */
static void arm_smmu_atc_test_stop_limit(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_cmdq *cmdq = &fake->smmu.cmdq;
	struct arm_smmu_cmdq_wait wait = {}, other = {};
	unsigned int i;

	fake_attach(test, 1);
	for (i = 0; i < 3; i++) {
		fake_expect_no_sync(test, 1);
		fake_settle(fake);
		fake_wait_seconds(test, &wait, FAKE_STOP_SECONDS);
	}
	for (i = 0; i < 3; i++) {
		WRITE_ONCE(cmdq->progress, cmdq->progress + 1);
		fake_wait_seconds(test, &wait, FAKE_STOP_SECONDS);
	}

	/* CMDQ_CONS.ERR is UNKNOWN, and so no progress */
	writel(readl(cmdq->q.cons_reg) ^ CMDQ_CONS_ERR, cmdq->q.cons_reg);
	KUNIT_EXPECT_EQ(test, -ENODEV,
			arm_smmu_cmdq_wait_on(&fake->smmu, cmdq, &wait));
	fake_expect_stopped(test);

	/* The other submitters do not wait any longer, and it is stopped once */
	KUNIT_EXPECT_EQ(test, -ENODEV,
			arm_smmu_cmdq_wait_on(&fake->smmu, cmdq, &other));
	arm_smmu_stop(&fake->smmu);
	fake_expect_stopped(test);
}

/* As the driver's own */
static void fake_log_wait(struct work_struct *work)
{
	struct fake_smmu *fake =
		container_of(work, struct fake_smmu, smmu.cmdq.wait_work);

	fake->waits_logged++;
}

/* A wait is logged after 1, 2, 4, 8 and 16 s, whether or not the queue moves */
static void arm_smmu_atc_test_wait_logged(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_cmdq *cmdq = &fake->smmu.cmdq;
	struct arm_smmu_cmdq_wait wait = {};
	unsigned int i;

	INIT_WORK(&cmdq->wait_work, fake_log_wait);
	for (i = 1; i <= 20; i++) {
		if (i % 3 == 0)
			WRITE_ONCE(cmdq->progress, cmdq->progress + 1);
		fake_wait_seconds(test, &wait, 1);
		flush_work(&cmdq->wait_work);
		KUNIT_EXPECT_EQ(test, fake->waits_logged, fls(i));
	}
}

/* The stop of the SMMU ends a wait, before its second is over */
static int fake_wait_short_thread(struct fake_thread *thread)
{
	ktime_t until = ktime_add_us(ktime_get(), ARM_SMMU_POLL_TIMEOUT_US);

	KUNIT_EXPECT_EQ(thread->test, -ENODEV,
			fake_issue_tlbi(thread->test, 1, true));
	return ktime_after(ktime_get(), until);
}

static void arm_smmu_atc_test_stop_ends_wait(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct fake_thread threads[2];

	WRITE_ONCE(fake->hung_until, KTIME_MAX);
	fake_run(test, threads, 2, 2, fake_wait_short_thread,
		 fake_stop_thread);
	KUNIT_EXPECT_EQ(test, threads[0].ret, 0);
	KUNIT_EXPECT_TRUE(test, fake->smmu.stopped);
}

/* A value below the minimum is refused, and changes nothing */
static void arm_smmu_atc_test_stop_timeout(struct kunit *test)
{
	unsigned int seconds = FAKE_STOP_SECONDS;
	const struct kernel_param kp = { .arg = &seconds };

	KUNIT_EXPECT_EQ(test, -EINVAL, arm_smmu_set_stop_timeout("149", &kp));
	KUNIT_EXPECT_EQ(test, -EINVAL, arm_smmu_set_stop_timeout("0", &kp));
	KUNIT_EXPECT_EQ(test, seconds, FAKE_STOP_SECONDS);
	KUNIT_EXPECT_EQ(test, 0, arm_smmu_set_stop_timeout("200", &kp));
	KUNIT_EXPECT_EQ(test, seconds, 200);
	KUNIT_EXPECT_EQ(test, 0, arm_smmu_set_stop_timeout("150", &kp));
	KUNIT_EXPECT_EQ(test, seconds, FAKE_STOP_SECONDS);
}

/*
 * Each list of commands reads it: not in a cache line that each event, or each
 * list, writes to.
 */
#define FAKE_LINE(member) \
	(offsetof(struct arm_smmu_device, member) / SMP_CACHE_BYTES)

static void arm_smmu_atc_test_stopped_is_only_read(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, FAKE_LINE(stopped), FAKE_LINE(options));
	KUNIT_EXPECT_NE(test, FAKE_LINE(stopped), FAKE_LINE(cmdq));
	KUNIT_EXPECT_NE(test, FAKE_LINE(stopped), FAKE_LINE(streams_mutex));
	KUNIT_EXPECT_NE(test, FAKE_LINE(stopped), FAKE_LINE(stop_lock));
}

/*
 * A queue that stands still is filled: what the hardware has not consumed must
 * not be overwritten, and a timeout of the driver must not end the wait. With
 * MSIs the driver looks at CONS after two of them.
 */
#define FAKE_HANG_MS	(ARM_SMMU_POLL_TIMEOUT_US / 1000 * 28 / 10)

static int fake_wait_thread(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;
	ktime_t until = ktime_add_ms(ktime_get(), FAKE_HANG_MS);
	int ret;

	WRITE_ONCE(fake->hung_until, until);
	ret = fake_issue_tlbi(thread->test, 3, true);
	return ret ?: ktime_before(ktime_get(), until);
}

static int fake_fill_thread(struct fake_thread *thread)
{
	struct arm_smmu_cmd cmd;
	struct fake_smmu *fake = thread->test->priv;
	int i, ret = 0;

	/* The other thread has got its place in the queue */
	while (!readl(fake->smmu.cmdq.q.prod_reg))
		cpu_relax();

	for (i = 0; i < 2 * FAKE_Q_ENTS && !ret; i++) {
		cmd = arm_smmu_make_cmd_tlbi(CMDQ_OP_TLBI_NH_ALL, i, 0);
		ret = arm_smmu_cmdq_issue_cmdlist(&fake->smmu,
						  &fake->smmu.cmdq, &cmd, 1,
						  false);
	}
	return ret;
}

/* Each was consumed once, and in their order */
static void fake_expect_all_filled(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i, asid, n = 0;

	for (i = 0; i < fake->log_num; i++) {
		if (fake_log_op(fake, i) != CMDQ_OP_TLBI_NH_ALL)
			continue;
		asid = FIELD_GET(CMDQ_TLBI_0_ASID, fake->log[i].cmd.data[0]);
		KUNIT_EXPECT_EQ(test, asid, n);
		n++;
	}
	KUNIT_EXPECT_EQ(test, n, 2 * FAKE_Q_ENTS);
}

static void arm_smmu_atc_test_hang(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct fake_thread threads[2];

	fake->smmu.options |= ARM_SMMU_OPT_MSIPOLL;
	WRITE_ONCE(fake->hung_until, KTIME_MAX);
	fake_run(test, threads, 2, 2, fake_wait_thread, fake_fill_thread);
	KUNIT_EXPECT_EQ(test, threads[0].ret, 0);
	KUNIT_EXPECT_EQ(test, threads[1].ret, 0);
	fake_settle(fake);
	fake_expect_all_filled(test);
	fake_expect_seen(test, .tlbis = 3, .syncs = 1);
	KUNIT_EXPECT_FALSE(test, fake->smmu.stopped);
}

static struct kunit_case arm_smmu_atc_queue_cases[] = {
	FAKE_CASE(take_no_error),
	FAKE_CASE(take_service_failure),
	FAKE_CASE_MODES(queue_healthy),
	FAKE_CASE_MODES(queue_error_to_owner),
	FAKE_CASE(queue_check_in_turn),
	FAKE_CASE_MODES(queue_error_in_wrap),
	FAKE_CASE_MODES(queue_error_behind_list),
	FAKE_CASE_MODES(queue_stale_error),
	FAKE_CASE(queue_stale_errors),
	FAKE_CASE(queue_stale_error_of_others),
	FAKE_CASE_MODES(queue_error_twice),
	FAKE_CASE(queue_timeout_of_others),
	FAKE_CASE_MODES(queue_sticky),
	FAKE_CASE(queue_signs),
	FAKE_CASE(queue_late_msi),
	FAKE_CASE(queue_illegal),
	FAKE_CASE(queue_illegal_signal),
	FAKE_CASE(queue_errors_logged),
	FAKE_CASE(queue_abort),
	FAKE_CASE_MODES(queue_full),
	FAKE_CASE_MODES(queue_other_gerror),
	FAKE_CASE(queue_off),
	FAKE_CASE(queue_off_and_full),
	FAKE_CASE(service_failure_in_retry),
	FAKE_CASE(service_failure_in_fence),
	FAKE_CASE(service_failure_gbpa_busy),
	FAKE_CASE(service_failure_gbpa_stuck),
	FAKE_CASE(service_failure_gbpa_never),
	FAKE_CASE(service_failure_smmuen_stuck),
	FAKE_CASE(service_failure_after_error),
	FAKE_CASE(service_failure_over),
	FAKE_CASE(cfgi_never),
	FAKE_CASE(stop_in_panic),
	FAKE_CASE(reset_smmu),
	FAKE_CASE(reset_smmu_el2),
	FAKE_CASE(reset_smmu_old_error),
	FAKE_CASE(reset_smmu_failed),
	FAKE_CASE(reset_smmu_hangs),
	FAKE_CASE(reset_smmu_illegal),
	FAKE_CASE(reset_smmu_illegal_tlbi),
	FAKE_CASE(reset_smmu_illegal_el2),
	FAKE_CASE(reset_smmu_old_atc_inv),
	FAKE_CASE(stop_limit),
	FAKE_CASE(stop_ends_wait),
	FAKE_CASE(wait_logged),
	FAKE_CASE(stop_timeout),
	FAKE_CASE(stopped_is_only_read),
	FAKE_CASE(late_answer),
	FAKE_CASE(vcmdq_late),
	FAKE_CASE(hang),
	{},
};

FAKE_SUITE("queue", arm_smmu_atc_queue_cases);
