// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the fence, on a fake SMMU: what a flush does about a device that
 * does not answer, whom it fences, and whom it asks afterwards.
 *
 * Copyright (C) 2026 The ATC fence authors
 */
#include "arm-smmu-v3-fake.h"

/*
 * The word with EATS
 */

static void arm_smmu_atc_test_clear_eats(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_ste *ste = fake_ste(fake, 0);
	u64 eats;

	for (eats = 0; eats <= FIELD_MAX(STRTAB_STE_1_EATS); eats++) {
		ste->data[1] = cpu_to_le64(FAKE_STE_WORD_FENCED |
					   FIELD_PREP(STRTAB_STE_1_EATS, eats));
		arm_smmu_atc_clear_eats(&fake->smmu, ste);
		KUNIT_EXPECT_EQ(test, le64_to_cpu(ste->data[1]),
				FAKE_STE_WORD_FENCED);
		KUNIT_EXPECT_EQ(test, le64_to_cpu(ste->data[0]), FAKE_STE_WORD);
		KUNIT_EXPECT_EQ(test, le64_to_cpu(ste->data[2]), FAKE_STE_WORD);
	}
}

static void arm_smmu_atc_test_clear_eats_of_zero(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_ste *ste = fake_ste(fake, 0);

	ste->data[1] = 0;
	arm_smmu_atc_clear_eats(&fake->smmu, ste);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(ste->data[1]), 0);
}

static void fake_expect_stored(struct kunit *test, enum arm_smmu_atc_state state,
			       u64 old, u64 val, u64 stored)
{
	__le64 word = cpu_to_le64(old);
	bool changed;

	WRITE_ONCE(fake_master(test, 0)->fence.state, state);
	changed = arm_smmu_atc_set_ste_qword(fake_master(test, 0), &word,
					     cpu_to_le64(val));
	KUNIT_EXPECT_EQ(test, le64_to_cpu(word), stored);
	/* The CPU that fences may not have told the SMMU of its word yet */
	KUNIT_EXPECT_EQ(test, changed,
			old != stored || state == ARM_SMMU_ATC_FENCING);
}

static void arm_smmu_atc_test_store_word(struct kunit *test)
{
	const u64 eats = FAKE_STE_WORD_EATS;

	fake_attach(test, 1);
	fake_expect_stored(test, ARM_SMMU_ATC_OK, 0, eats, eats);
	fake_expect_stored(test, ARM_SMMU_ATC_OK, eats, 0, 0);
	fake_expect_stored(test, ARM_SMMU_ATC_OK, eats, eats, eats);
}

static void fake_expect_stored_without_eats(struct kunit *test,
					    enum arm_smmu_atc_state state)
{
	const u64 eats = FAKE_STE_WORD_EATS;
	const u64 fenced = FAKE_STE_WORD_FENCED;

	fake_expect_stored(test, state, 0, eats, fenced);
	fake_expect_stored(test, state, eats, 0, 0);
	/* No bit but those of EATS differs */
	fake_expect_stored(test, state, fenced, eats, fenced);
}

static void arm_smmu_atc_test_store_word_without_eats(struct kunit *test)
{
	fake_add_master(test, 1);
	fake_begin_fence(test, 0);
	fake_expect_stored_without_eats(test, ARM_SMMU_ATC_FENCING);
	fake_sid(test, 0)->eats = false;
	fake_expect_stored_without_eats(test, ARM_SMMU_ATC_FENCED);
	fake_expect_stored_without_eats(test, ARM_SMMU_ATC_GONE);
}

/*
 * Who is fenced
 */

/*
 * With n Stream IDs, k of which are dead, all are asked twice: together, and one
 * by one. Each master that is dead takes CMD_CFGI_STEs, which share a CMD_SYNC.
 * One error says that a device is dead, and one for each says which it is.
 */
static const struct fake_scenario fake_searches[] = {
	/* Free when nothing fails: 64 are a batch, which has its own CMD_SYNC */
	{ "all answer", .masters = 8,
	  .seen = { .atc_invs = 8, .syncs = 1 } },
	{ "64 answer", .masters = 64,
	  .seen = { .atc_invs = 64, .syncs = 1 } },
	{ "65 answer", .masters = 65,
	  .seen = { .atc_invs = 65, .syncs = 2 } },
	{ "200 answer", .masters = 40, .pasids = 5,
	  .seen = { .atc_invs = 200, .syncs = 4 } },
	/* No other device can have failed: the second CMD_SYNC is CMD_CFGI_STE's */
	{ "batch of 1", .dead = { 0, 1 }, .fenced = { 0, 1 },
	  .seen = { .atc_invs = 1, .cfgi_stes = 1, .syncs = 1 + 1,
		    .errors = 1 } },
	{ "batch of 64", .masters = 64, .dead = { 40, 1 }, .fenced = { 40, 1 },
	  .seen = { .atc_invs = 64 + 64, .cfgi_stes = 1, .syncs = 1 + 64 + 1,
		    .errors = 2 } },
	/* 64 are searched, the other batch is its command and CMD_SYNC */
	{ "batch of 65, first dead", .masters = 65, .dead = { 0, 1 },
	  .seen = { .atc_invs = 64 + 64 + 1, .cfgi_stes = 1,
		    .syncs = 1 + 64 + 1 + 1, .errors = 2 },
	  .fenced = { 0, 1 } },
	/* It is alone in its batch, so nothing is repeated */
	{ "batch of 65, last dead", .masters = 65, .dead = { 64, 1 },
	  .seen = { .atc_invs = 65, .cfgi_stes = 1, .syncs = 2 + 1,
		    .errors = 1 },
	  .fenced = { 64, 1 } },
	/* One of 4 batches is searched, with 13 Stream IDs and 64 commands */
	{ "batch of 200", .masters = 40, .pasids = 5, .dead = { 10, 1 },
	  .seen = { .atc_invs = 200 + 64, .cfgi_stes = 1, .syncs = 4 + 13 + 1,
		    .errors = 2 },
	  .fenced = { 10, 1 } },
	/* What is in the second batch is not sent, as the first has failed */
	{ "batch of 200, cut in two", .masters = 40, .pasids = 5,
	  .dead = { 12, 1 }, .fenced = { 12, 1 },
	  .seen = { .atc_invs = 64 + 64 + 63 + 64 + 8, .cfgi_stes = 1,
		    .syncs = 4 + 13 + 1, .errors = 2 } },
	/* With 2 Stream IDs and 8 commands */
	{ "batch of 200, last dead", .masters = 40, .pasids = 5,
	  .dead = { 39, 1 }, .fenced = { 39, 1 },
	  .seen = { .atc_invs = 200 + 8, .cfgi_stes = 1, .syncs = 4 + 2 + 1,
		    .errors = 2 } },
	{ "one dead", .masters = 5, .dead = { 2, 1 }, .fenced = { 2, 1 },
	  .seen = { .atc_invs = 5 + 5, .cfgi_stes = 1, .syncs = 1 + 5 + 1,
		    .errors = 2 } },
	{ "first dead", .masters = 5, .dead = { 0, 1 }, .fenced = { 0, 1 },
	  .seen = { .atc_invs = 5 + 5, .cfgi_stes = 1, .syncs = 1 + 5 + 1,
		    .errors = 2 } },
	{ "last dead", .masters = 5, .dead = { 4, 1 }, .fenced = { 4, 1 },
	  .seen = { .atc_invs = 5 + 5, .cfgi_stes = 1, .syncs = 1 + 5 + 1,
		    .errors = 2 } },
	{ "two dead", .masters = 5, .dead = { 1, 2 }, .fenced = { 1, 2 },
	  .seen = { .atc_invs = 5 + 5, .cfgi_stes = 2, .syncs = 1 + 5 + 2,
		    .errors = 3 } },
	{ "all dead", .masters = 5, .dead = { 0, 5 }, .fenced = { 0, 5 },
	  .seen = { .atc_invs = 5 + 5, .cfgi_stes = 5, .syncs = 1 + 5 + 5,
		    .errors = 6 } },
	{ "one answers the retry", .masters = 2, .dead = { 1, 1 }, .timeouts = 1,
	  .seen = { .atc_invs = 2 + 2, .syncs = 1 + 2, .errors = 1 } },
	{ "all answer the retry", .masters = 5, .dead = { 0, 5 }, .timeouts = 1,
	  .seen = { .atc_invs = 5 + 5, .syncs = 1 + 5, .errors = 1 } },
	/* All PASIDs of a Stream ID are repeated together: 2 CMD_SYNCs, not 6 */
	{ "PASIDs", .masters = 2, .pasids = 3, .dead = { 0, 1 },
	  .seen = { .atc_invs = 6 + 6, .cfgi_stes = 1, .syncs = 1 + 2 + 1,
		    .errors = 2 },
	  .fenced = { 0, 1 } },
	{ "PASIDs answer the retry", .masters = 2, .pasids = 3,
	  .dead = { 1, 1 }, .timeouts = 1,
	  .seen = { .atc_invs = 6 + 6, .syncs = 1 + 2, .errors = 1 } },
	/* Many commands, but one Stream ID: nothing to find out */
	{ "PASIDs alone", .pasids = 64, .dead = { 0, 1 }, .fenced = { 0, 1 },
	  .seen = { .atc_invs = 64, .cfgi_stes = 1, .syncs = 1 + 1,
		    .errors = 1 } },
	/*
	 * 6 at first, then 1 of the dead master, whose others need no answer any
	 * more, and 3 of the healthy one
	 */
	{ "Stream IDs, first dead", .masters = 2, .streams = 3,
	  .dead = { 0, 1 }, .fenced = { 0, 1 },
	  .seen = { .atc_invs = 6 + 1 + 3, .cfgi_stes = 3,
		    .syncs = 1 + 1 + 1 + 3, .errors = 2 } },
	/* The driver cannot know before the last */
	{ "Stream IDs, last dead", .masters = 2, .streams = 3,
	  .dead = { 5, 1 }, .fenced = { 1, 1 },
	  .seen = { .atc_invs = 6 + 6, .cfgi_stes = 3, .syncs = 1 + 6 + 1,
		    .errors = 2 } },
	{ "Stream IDs, all dead", .masters = 2, .streams = 3,
	  .dead = { 0, 6 }, .fenced = { 0, 2 },
	  .seen = { .atc_invs = 6 + 1 + 1, .cfgi_stes = 6,
		    .syncs = 1 + 1 + 1 + 1 + 1, .errors = 3 } },
	/* More STEs than there is room for on the stack */
	{ "ten Stream IDs", .streams = 10, .dead = { 9, 1 },
	  .seen = { .atc_invs = 10 + 10, .cfgi_stes = 10, .syncs = 1 + 10 + 2,
		    .errors = 2 },
	  .fenced = { 0, 1 } },
};

static const void *fake_search_gen_params(struct kunit *test, const void *prev,
					  char *desc)
{
	return fake_scenario_gen_params(fake_searches,
					ARRAY_SIZE(fake_searches), prev, desc);
}

static void arm_smmu_atc_test_search(struct kunit *test)
{
	fake_run_scenario_param(test);
}

/* As a batch of 65, with an erratum for which 63 is the limit */
FAKE_SCENARIO(batch_cut_at_63, .masters = 64, .dead = { 1, 1 },
	      .options = ARM_SMMU_OPT_CMDQ_FORCE_SYNC,
	      .seen = { .atc_invs = 63 + 63 + 1, .cfgi_stes = 1,
			.syncs = 1 + 63 + 1 + 1, .errors = 2 },
	      .fenced = { 1, 1 })

/*
 * Other errors of the queue
 */

/* It was never executed, so no device is at fault. 2 CMD_SYNCs, and 1 retry */
FAKE_SCENARIO(illegal_alone, .fault = CMDQ_ERR_CERROR_ILL_IDX,
	      .seen = { .atc_invs = 1, .syncs = 3, .errors = 1 })

/* 2 of 3 were executed, all 3 are asked again */
FAKE_SCENARIO(illegal_among_others, .masters = 3,
	      .fault = CMDQ_ERR_CERROR_ILL_IDX, .fault_at = 1,
	      .seen = { .atc_invs = 2 + 3, .syncs = 2 + 3, .errors = 1 })

/* One was fetched twice: all 3 were executed, and answered */
FAKE_SCENARIO(abort_among_others, .masters = 3,
	      .fault = CMDQ_ERR_CERROR_ABT_IDX, .fault_at = 1,
	      .seen = { .atc_invs = 3, .syncs = 1, .errors = 1 })

FAKE_SCENARIO(abort_and_dead, .masters = 3, .dead = { 2, 1 },
	      .fault = CMDQ_ERR_CERROR_ABT_IDX, .fault_at = 1,
	      .seen = { .atc_invs = 3 + 3, .cfgi_stes = 1, .syncs = 1 + 3 + 1,
			.errors = 3 },
	      .fenced = { 2, 1 })

/* What became a CMD_SYNC waits, too, and fails in place of the real one */
FAKE_SCENARIO(illegal_and_dead, .masters = 3, .dead = { 0, 1 },
	      .fault = CMDQ_ERR_CERROR_ILL_IDX, .fault_at = 1,
	      .seen = { .atc_invs = 2 + 3, .cfgi_stes = 1, .syncs = 2 + 3 + 1,
			.errors = 3 },
	      .fenced = { 0, 1 })

/*
 * The retry was not executed, so it tells nothing. Two CMD_ATC_INVs and their
 * CMD_SYNC are before it.
 */
FAKE_SCENARIO(illegal_in_retry, .masters = 2, .dead = { 0, 1 }, .timeouts = 1,
	      .fault = CMDQ_ERR_CERROR_ILL_IDX, .fault_at = 3,
	      .seen = { .atc_invs = 2 + 1, .cfgi_stes = 1,
			.syncs = 1 + 2 + 1 + 1, .errors = 2 },
	      .fenced = { 0, 1 })

/*
 * CMD_ATC_INV and CMD_SYNC, then CMD_CFGI_STE. What became a CMD_SYNC was not
 * executed: CMD_CFGI_STE is repeated.
 */
FAKE_SCENARIO(cfgi_error, .dead = { 0, 1 },
	      .fault = CMDQ_ERR_CERROR_ILL_IDX, .fault_at = 2,
	      .seen = { .atc_invs = 1, .cfgi_stes = 1, .syncs = 1 + 2 + 1,
			.errors = 2 },
	      .fenced = { 0, 1 })

/* Two CMD_ATC_INVs and one, with their CMD_SYNCs, then the first CMD_CFGI_STE */
FAKE_SCENARIO(cfgi_error_of_first, .streams = 2, .dead = { 0, 1 },
	      .fault = CMDQ_ERR_CERROR_ILL_IDX, .fault_at = 5,
	      .seen = { .atc_invs = 2 + 1, .cfgi_stes = 1 + 2,
			.syncs = 1 + 1 + 2 + 1, .errors = 3 },
	      .fenced = { 0, 1 })

/* The queue has stopped for another error, too: ask again before the fence */
static void arm_smmu_atc_test_other_error_dead(struct kunit *test)
{
	fake_attach(test, 1);
	fake_fail_batch(test, 1);
	fake_recover(test, -EIO);
	fake_expect_seen(test, .atc_invs = 1, .cfgi_stes = 1, .syncs = 2,
			 .errors = 1);
	fake_expect_fenced(test, 0, 1);
}

static void arm_smmu_atc_test_other_error_answers_retry(struct kunit *test)
{
	fake_attach(test, 1);
	fake_sid(test, 0)->timeouts = 1;
	fake_fail_batch(test, 1);
	fake_recover(test, -EIO);
	fake_expect_seen(test, .atc_invs = 1, .syncs = 1);
	fake_expect_none_fenced(test);
}

/* In between: CMD_CFGI_STE after EATS = 0, a CMD_SYNC after it, then it returns */
static void arm_smmu_atc_test_order(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	static const u8 ops[] = {
		CMDQ_OP_ATC_INV, CMDQ_OP_CMD_SYNC,
		CMDQ_OP_CFGI_STE, CMDQ_OP_CMD_SYNC,
	};
	unsigned int i;

	fake_attach(test, 1);
	fake_kill(test, 0);
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_batch(test, 1));
	fake_recover(test, -ETIMEDOUT);

	KUNIT_ASSERT_EQ(test, fake->log_num, ARRAY_SIZE(ops));
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		KUNIT_EXPECT_EQ(test, fake_log_op(fake, i), ops[i]);
	KUNIT_EXPECT_FALSE(test, fake_sid(test, 0)->eats);
}

/*
 * Who is asked after that
 */

static void arm_smmu_atc_test_fenced_is_skipped(struct kunit *test)
{
	unsigned int i;

	fake_attach_all(test, 3, 3, 2);
	fake_fence(test, 4);
	fake_flush(test);
	/* None of the Stream IDs of the master */
	for (i = 3; i < 6; i++)
		KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, i), 0);
	fake_expect_seen(test, .atc_invs = 12, .syncs = 1);
	fake_expect_fenced(test, 1, 1);
}

#define FAKE_SOME_MASTERS	5

/* The masters that the bits of @fenced name are not asked, and all others are */
static void fake_expect_skipped(struct kunit *test, unsigned int fenced)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i;

	fake->smmu.atc_fenced_min = U32_MAX;
	fake->smmu.atc_fenced_max = 0;
	for (i = 0; i < FAKE_SOME_MASTERS; i++)
		if (fenced & BIT(i))
			fake_fence(test, i);

	fake_flush(test);
	for (i = 0; i < FAKE_SOME_MASTERS; i++)
		KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, i),
				fenced & BIT(i) ? 0 : 2);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_CMD_SYNC),
			fenced != BIT(FAKE_SOME_MASTERS) - 1);

	for (i = 0; i < FAKE_SOME_MASTERS; i++)
		if (fenced & BIT(i))
			fake_reset_and_attach(test, i);
	fake_expect_none_fenced(test);
}

static void arm_smmu_atc_test_fenced_are_skipped(struct kunit *test)
{
	unsigned int fenced;

	fake_attach_all(test, FAKE_SOME_MASTERS, 1, 2);
	for (fenced = 0; fenced < BIT(FAKE_SOME_MASTERS); fenced++)
		fake_expect_skipped(test, fenced);
}

static void arm_smmu_atc_test_all_fenced(struct kunit *test)
{
	fake_attach(test, 1);
	fake_fence(test, 0);
	fake_flush(test);
	/* Not even a CMD_SYNC */
	fake_expect_seen(test, .syncs = 0);
}

/* The batch was built, and has failed, before another flush fenced the master */
static void arm_smmu_atc_test_fenced_is_not_retried(struct kunit *test)
{
	fake_attach(test, 2);
	fake_fail_batch(test, 2);
	fake_fence(test, 0);
	fake_recover(test, -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, 0), 0);
	fake_expect_seen(test, .atc_invs = 1, .syncs = 1);
	fake_expect_fenced(test, 0, 1);
}

/* Another flush is about to fence it, and this one has interrupted it */
static void arm_smmu_atc_test_fencing_is_helped(struct kunit *test)
{
	fake_attach(test, 2);
	fake_fail_batch(test, 2);
	fake_begin_fence(test, 0);
	fake_recover(test, -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, 0), 0);
	/* A CMD_SYNC for the master that is asked, and one for the fence */
	fake_expect_seen(test, .atc_invs = 1, .cfgi_stes = 1, .syncs = 2);
	fake_expect_fenced(test, 0, 1);
}

/* Another CPU completes a fence while the second error is reported */
static void fake_fence_on_2nd_error(struct fake_smmu *fake)
{
	struct arm_smmu_master *master = &fake->masters[0].master;

	if (fake->errors != 2)
		return;

	guard(raw_spinlock_irqsave)(&master->fence.lock);
	arm_smmu_atc_clear_eats(&fake->smmu, fake_ste(fake, FAKE_FIRST_SID));
	WRITE_ONCE(fake->sids[FAKE_FIRST_SID].eats, false);
	WRITE_ONCE(master->fence.state, ARM_SMMU_ATC_FENCED);
	atomic_inc(&fake->smmu.nr_atc_fenced);
}

static void arm_smmu_atc_test_fenced_during_retry(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 2);
	fake->on_error = fake_fence_on_2nd_error;
	fake_kill(test, 0);
	fake_flush(test);
	/* Its retry has failed, too, and that is all */
	fake_expect_seen(test, .atc_invs = 2 + 2, .syncs = 1 + 2, .errors = 2);
	fake_expect_state(test, 0, ARM_SMMU_ATC_FENCED);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced), 1);
	KUNIT_EXPECT_EQ(test, fake_count_reports(test, 0), 0);
}

/*
 * FENCING does not say what the SMMU uses. The other masters are fenced, so that
 * the driver looks at it.
 */
static void arm_smmu_atc_test_fencing_is_not_skipped(struct kunit *test)
{
	fake_attach(test, 3);
	fake_kill(test, 0);
	fake_fence(test, 2);

	fake_kill(test, 1);
	fake_begin_fence(test, 1);
	fake_flush(test);
	fake_expect_seen(test, .atc_invs = 1, .cfgi_stes = 1, .syncs = 2,
			 .errors = 1);
	fake_expect_fenced(test, 0, 3);
}

/* Another flush was about to retry, and was interrupted by this one, or is gone */
static void arm_smmu_atc_test_retry_of_nobody(struct kunit *test)
{
	fake_attach(test, 2);
	fake_kill(test, 0);
	WRITE_ONCE(fake_master(test, 0)->fence.retrying, true);
	WRITE_ONCE(fake_master(test, 1)->fence.retrying, true);
	fake_flush(test);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_ATC_INV), 2 + 2);
	fake_expect_fenced(test, 0, 1);
	KUNIT_EXPECT_FALSE(test, fake_master(test, 0)->fence.retrying);
	KUNIT_EXPECT_FALSE(test, fake_master(test, 1)->fence.retrying);
}

static struct kunit_case arm_smmu_atc_fence_cases[] = {
	FAKE_CASE_MODES(clear_eats),
	FAKE_CASE_MODES(clear_eats_of_zero),
	FAKE_CASE(store_word),
	FAKE_CASE(store_word_without_eats),
	KUNIT_CASE_PARAM(arm_smmu_atc_test_search, fake_search_gen_params),
	FAKE_CASE(batch_cut_at_63),
	FAKE_CASE_MODES(illegal_alone),
	FAKE_CASE_MODES(illegal_among_others),
	FAKE_CASE_MODES(abort_among_others),
	FAKE_CASE_MODES(abort_and_dead),
	FAKE_CASE_MODES(illegal_and_dead),
	FAKE_CASE(illegal_in_retry),
	FAKE_CASE_MODES(cfgi_error),
	FAKE_CASE_MODES(cfgi_error_of_first),
	FAKE_CASE_MODES(other_error_dead),
	FAKE_CASE(other_error_answers_retry),
	FAKE_CASE_MODES(order),
	FAKE_CASE_MODES(fenced_is_skipped),
	FAKE_CASE(fenced_are_skipped),
	FAKE_CASE(all_fenced),
	FAKE_CASE(fenced_is_not_retried),
	FAKE_CASE_MODES(fenced_during_retry),
	FAKE_CASE(fencing_is_helped),
	FAKE_CASE(fencing_is_not_skipped),
	FAKE_CASE(retry_of_nobody),
	{},
};

FAKE_SUITE("fence", arm_smmu_atc_fence_cases);
