// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what a reset does to the fence, on a fake SMMU.
 *
 * Copyright (C) 2026 The ATC fence authors
 */
#include "arm-smmu-v3-fake.h"

static void arm_smmu_atc_test_reset_lifts_fence(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_master *master = fake_master(test, 0);

	fake_attach_all(test, 2, 2, 1);
	fake_fence(test, 0);
	KUNIT_EXPECT_FALSE(test, fake_store_stes(fake, master));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced), 1);

	fake_reset(fake, master);
	fake_expect_state(test, 0, ARM_SMMU_ATC_OK);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced), 0);
	/* EATS comes back with the next attach, not with the reset */
	fake_expect_words(test, master, FAKE_STE_WORD_FENCED);
	KUNIT_EXPECT_TRUE(test, fake_store_stes(fake, master));
	fake_expect_words(test, master, FAKE_STE_WORD_EATS);

	fake_forget_log(test);
	fake_flush(test);
	fake_expect_seen(test, .atc_invs = 4, .syncs = 1);
}

static void arm_smmu_atc_test_reset_of_healthy(struct kunit *test)
{
	fake_attach(test, 2);
	fake_fence(test, 0);
	fake_reset(test->priv, fake_master(test, 1));
	fake_expect_fenced(test, 0, 1);
}

/* The timeout is from before the reset: the device is asked once more */
static void arm_smmu_atc_test_reset_before_fence(struct kunit *test)
{
	fake_attach(test, 1);
	fake_fail_batch(test, 1);
	fake_reset(test->priv, fake_master(test, 0));
	fake_recover(test, -ETIMEDOUT);
	fake_expect_seen(test, .atc_invs = 1, .syncs = 1);
	fake_expect_none_fenced(test);
}

static void arm_smmu_atc_test_reset_in_vain(struct kunit *test)
{
	fake_attach(test, 1);
	fake_fail_batch(test, 1);
	fake_reset(test->priv, fake_master(test, 0));
	fake_kill(test, 0);
	fake_recover(test, -ETIMEDOUT);
	fake_expect_seen(test, .atc_invs = 1, .cfgi_stes = 1, .syncs = 2,
			 .errors = 1);
	fake_expect_fenced(test, 0, 1);
}

/*
 * The reset has succeeded, as far as the core knows, and changed nothing. An
 * attach begins with a CMD_ATC_INV: arm_smmu_attach_prepare().
 */
static void arm_smmu_atc_test_reset_of_deaf(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_master *master;

	fake_attach(test, 1);
	fake_fence(test, 0);
	master = fake_master(test, 0);
	kmsg_dump_rewind(&fake->kmsg);
	arm_smmu_atc_reset_done(master, 0);
	fake_expect_seen(test, .syncs = 0);

	arm_smmu_atc_inv_master(master, IOMMU_NO_PASID);
	fake_expect_seen(test, .atc_invs = 1, .cfgi_stes = 1, .syncs = 2,
			 .errors = 1);
	fake_store_stes(fake, master);
	fake_expect_fenced(test, 0, 1);

	/* The next attach does not ask it again */
	fake_forget_log(test);
	arm_smmu_atc_inv_master(master, IOMMU_NO_PASID);
	fake_expect_seen(test, .syncs = 0);
}

/* Said for a fenced device only */
static void arm_smmu_atc_test_reset_fails(struct kunit *test)
{
	fake_attach(test, 2);
	arm_smmu_atc_reset_done(fake_master(test, 0), -ENOTTY);
	KUNIT_EXPECT_EQ(test, 0, fake_count_lines(test, 0, ""));
	fake_expect_state(test, 0, ARM_SMMU_ATC_OK);

	fake_fence(test, 0);
	arm_smmu_atc_reset_done(fake_master(test, 0), -ENOTTY);
	KUNIT_EXPECT_EQ(test, 1,
			fake_count_lines(test, 0, "a reset failed: -25"));
	fake_expect_state(test, 0, ARM_SMMU_ATC_FENCED);
}

/* Gone, or stopped by an error: it is not asked, and nothing is logged */
static void arm_smmu_atc_test_block(struct kunit *test)
{
	unsigned int i;

	fake_attach(test, 2);
	fake_kill(test, 0);
	for (i = 0; i < 10; i++) {
		fake_forget_log(test);
		arm_smmu_atc_block(fake_master(test, 0));
		fake_expect_seen(test, .cfgi_stes = 1, .syncs = 1);
		fake_expect_words(test, fake_master(test, 0),
				  FAKE_STE_WORD_FENCED);

		fake_forget_log(test);
		fake_flush(test);
		KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, 0), 0);
		fake_expect_seen(test, .atc_invs = 1, .syncs = 1);

		arm_smmu_atc_reset_done(fake_master(test, 0), 0);
		fake_expect_state(test, 0, ARM_SMMU_ATC_OK);
	}
	KUNIT_EXPECT_EQ(test, 0, fake_count_lines(test, 0, ""));
}

/* Its Stream IDs may be another master's by now */
static void arm_smmu_atc_test_block_gone(struct kunit *test)
{
	fake_attach(test, 1);
	arm_smmu_atc_lift(fake_master(test, 0), ARM_SMMU_ATC_GONE);
	arm_smmu_atc_block(fake_master(test, 0));
	fake_expect_seen(test, .syncs = 0);
	fake_expect_state(test, 0, ARM_SMMU_ATC_GONE);
}

static void fake_reset_on_2nd_error(struct fake_smmu *fake)
{
	if (fake->errors == 2)
		fake_reset(fake, &fake->masters[0].master);
}

static void arm_smmu_atc_test_reset_during_retry(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 2);
	fake->on_error = fake_reset_on_2nd_error;
	fake_kill(test, 0);
	fake_flush(test);
	/* The retry failed before the reset: there is another one */
	KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, 0), 3);
	fake_expect_seen(test, .atc_invs = 2 + 3, .syncs = 1 + 3, .errors = 2);
	fake_expect_none_fenced(test);
}

static void fake_reset_before_cfgi(struct fake_smmu *fake,
				   const struct arm_smmu_cmd *cmd)
{
	struct fake_sid *s = &fake->sids[FAKE_FIRST_SID];

	if (fake_cmd_op(cmd) != CMDQ_OP_CFGI_STE)
		return;

	/* As if it had answered the driver, which cannot ask it from here */
	WRITE_ONCE(s->timeouts, 0);
	bitmap_zero(s->cached, 64);
	arm_smmu_atc_lift(&fake->masters[0].master, ARM_SMMU_ATC_OK);
}

static void fake_reset_once_before_cfgi(struct fake_smmu *fake,
					const struct arm_smmu_cmd *cmd)
{
	if (fake_cmd_op(cmd) != CMDQ_OP_CFGI_STE)
		return;

	fake->before_cmd = NULL;
	fake_reset_before_cfgi(fake, cmd);
}

/* It is gone after that reset, too */
static void arm_smmu_atc_test_reset_during_block(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1);
	fake->before_cmd = fake_reset_once_before_cfgi;
	arm_smmu_atc_block(fake_master(test, 0));
	fake_expect_seen(test, .cfgi_stes = 2, .syncs = 2);
	fake_expect_state(test, 0, ARM_SMMU_ATC_FENCED);
	fake_expect_words(test, fake_master(test, 0), FAKE_STE_WORD_FENCED);
}

static void arm_smmu_atc_test_reset_during_fence(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1);
	fake->before_cmd = fake_reset_before_cfgi;
	fake_kill(test, 0);
	fake_flush(test);
	/* Its ATC is empty: the flush is complete without a fence */
	fake_expect_state(test, 0, ARM_SMMU_ATC_OK);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced), 0);
	KUNIT_EXPECT_EQ(test, fake_count_reports(test, 0), 0);
}

static void fake_fence_anew_before_sync(struct fake_smmu *fake,
					const struct arm_smmu_cmd *cmd)
{
	struct arm_smmu_master *master = &fake->masters[0].master;

	if (fake_cmd_op(cmd) != CMDQ_OP_CMD_SYNC ||
	    fake_log_op(fake, fake->log_num - 1) != CMDQ_OP_CFGI_STE)
		return;

	bitmap_zero(fake->sids[FAKE_FIRST_SID].cached, 64);
	arm_smmu_atc_lift(master, ARM_SMMU_ATC_OK);
	fake_store_stes(fake, master);
	fake_begin_fence(fake->priv, 0);
}

/*
 * During a fence the device is reset, attached, and again does not answer. The SMMU
 * has observed the STEs of the first fence only: the second one is not complete.
 */
static void arm_smmu_atc_test_reset_and_dead_during_fence(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1);
	fake->before_cmd = fake_fence_anew_before_sync;
	fake->priv = test;
	fake_kill(test, 0);
	fake_flush(test);
	fake_expect_seen(test, .atc_invs = 1, .cfgi_stes = 1, .syncs = 2,
			 .errors = 1);
	fake_expect_state(test, 0, ARM_SMMU_ATC_FENCING);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced), 0);
	KUNIT_EXPECT_EQ(test, fake_count_reports(test, 0), 0);
}

static struct kunit_case arm_smmu_atc_reset_cases[] = {
	FAKE_CASE_MODES(reset_lifts_fence),
	FAKE_CASE(reset_of_healthy),
	FAKE_CASE_MODES(reset_before_fence),
	FAKE_CASE(reset_in_vain),
	FAKE_CASE(reset_of_deaf),
	FAKE_CASE(reset_fails),
	FAKE_CASE_MODES(block),
	FAKE_CASE(block_gone),
	FAKE_CASE_MODES(reset_during_retry),
	FAKE_CASE_MODES(reset_during_fence),
	FAKE_CASE(reset_and_dead_during_fence),
	FAKE_CASE_MODES(reset_during_block),
	{},
};

FAKE_SUITE("reset", arm_smmu_atc_reset_cases);
