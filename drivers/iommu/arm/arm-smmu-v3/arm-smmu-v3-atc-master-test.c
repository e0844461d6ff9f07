// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of masters that share Stream IDs, are removed while a flush fails,
 * or get the Stream IDs of a master that was fenced, on a fake SMMU.
 *
 * Copyright (C) 2026 The ATC fence authors
 */
#include "arm-smmu-v3-fake.h"

static void arm_smmu_atc_test_duplicate_streams(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	/* As behind a bridge: both of its Stream IDs are the same one */
	fake_add_master(test, 2);
	xa_erase(&fake->smmu.streams, FAKE_FIRST_SID + 1);
	fake->masters[0].streams[1].id = FAKE_FIRST_SID;
	fake_attach_to(test, &fake->domain, 0, 1, 1);
	fake_kill(test, 0);
	fake_flush(test);
	fake_expect_seen(test, .atc_invs = 2, .cfgi_stes = 2, .syncs = 2,
			 .errors = 1);
	fake_expect_fenced(test, 0, 1);
	fake_reset_and_attach(test, 0);
	fake_expect_none_fenced(test);
}

/* As a device is probed that has these Stream IDs. Returns what that returns. */
static int fake_insert(struct kunit *test, struct fake_master *m,
		       const u32 *ids, unsigned int num_ids)
{
	struct fake_smmu *fake = test->priv;
	struct iommu_fwspec *fwspec;

	fwspec = kunit_kzalloc(test, struct_size(fwspec, ids, num_ids),
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fwspec);
	fwspec->num_ids = num_ids;
	memcpy(fwspec->ids, ids, num_ids * sizeof(*ids));
	fake_init_master(test, m);
	m->dev_iommu.fwspec = fwspec;
	return arm_smmu_insert_master(&fake->smmu, &m->master);
}

static void arm_smmu_atc_test_insert(struct kunit *test)
{
	static const u32 twice[] = { FAKE_FIRST_SID, FAKE_FIRST_SID };
	static const u32 both[] = { FAKE_FIRST_SID + 1, FAKE_FIRST_SID };
	static const u32 beyond[] = { FAKE_FIRST_SID + 2, FAKE_NUM_SIDS };
	struct fake_smmu *fake = test->priv;
	struct fake_master *m = fake->masters;
	struct xarray *streams = &fake->smmu.streams;

	KUNIT_ASSERT_EQ(test, 0, fake_insert(test, &m[0], twice, 2));
	KUNIT_EXPECT_PTR_EQ(test, xa_load(streams, twice[0]), &m[0].master);

	/* One that comes too late leaves the first where it is, and nothing else */
	KUNIT_EXPECT_EQ(test, -ENODEV, fake_insert(test, &m[1], both, 2));
	KUNIT_EXPECT_PTR_EQ(test, xa_load(streams, both[1]), &m[0].master);
	KUNIT_EXPECT_NULL(test, xa_load(streams, both[0]));
	KUNIT_EXPECT_EQ(test, -ERANGE, fake_insert(test, &m[2], beyond, 2));
	KUNIT_EXPECT_NULL(test, xa_load(streams, beyond[0]));

	/* A fence ends with its master: the next one has no EATS in its STEs */
	m[0].master.fence.state = ARM_SMMU_ATC_FENCED;
	atomic_inc(&fake->smmu.nr_atc_fenced);
	arm_smmu_remove_master(&m[0].master);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced), 0);
	KUNIT_ASSERT_EQ(test, 0, fake_insert(test, &m[3], both, 2));
	fake_expect_state(test, 3, ARM_SMMU_ATC_OK);
	arm_smmu_remove_master(&m[3].master);
	KUNIT_EXPECT_TRUE(test, xa_empty(streams));
}

/* While its probe finds out that one of its Stream IDs is another master's */
static void arm_smmu_atc_test_alias(struct kunit *test)
{
	struct arm_smmu_master *master;

	fake_attach(test, 2);
	master = fake_master(test, 0);
	master->streams[1].id = FAKE_FIRST_SID + 1;
	master->num_streams = 2;
	fake_kill(test, 0);
	fake_flush(test);
	fake_expect_state(test, 0, ARM_SMMU_ATC_FENCED);
	KUNIT_EXPECT_FALSE(test, fake_sid(test, 0)->eats);
	fake_expect_usable(test, 1);
}

static void arm_smmu_atc_test_cxl(struct kunit *test)
{
	const unsigned int lines = IS_ENABLED(CONFIG_PRINTK);

	fake_attach(test, 2);
	fake_master(test, 0)->ats_always_on = true;
	fake_kill(test, 0);
	fake_kill(test, 1);
	fake_flush(test);
	fake_expect_fenced(test, 0, 2);
	/* EATS = 0 may not be enough to keep it from writing */
	KUNIT_EXPECT_EQ(test, lines,
			fake_count_lines(test, 0, "may still write"));
	KUNIT_EXPECT_EQ(test, 0, fake_count_lines(test, 1, "may still write"));
}

static void arm_smmu_atc_test_master_gone(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1);
	fake_fail_batch(test, 1);
	xa_erase(&fake->smmu.streams, FAKE_FIRST_SID);

	/* Its STE may be another master's, and its DMA was aborted */
	arm_smmu_atc_recover(&fake->smmu, &fake->batch, -ETIMEDOUT);
	fake_expect_seen(test, .atc_invs = 0);
	fake_expect_none_fenced(test);
}

/* A flush with an array that still has it, and with others that are fenced */
static void arm_smmu_atc_test_gone_is_not_skipped(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 3);
	fake_kill(test, 0);
	fake_fence(test, 2);
	xa_erase(&fake->smmu.streams, FAKE_FIRST_SID + 1);

	fake_flush(test);
	KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, 1), 1);
	fake_expect_seen(test, .atc_invs = 1, .syncs = 1);
}

/* The flush has looked it up before it was removed, and uses it after that */
static void arm_smmu_atc_test_master_going(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1);
	fake_fail_batch(test, 1);
	arm_smmu_atc_release_master(fake_master(test, 0));

	arm_smmu_atc_recover(&fake->smmu, &fake->batch, -ETIMEDOUT);
	fake_expect_seen(test, .atc_invs = 0);
	fake_expect_words(test, fake_master(test, 0), FAKE_STE_WORD_EATS);
}

/* Another device has got the Stream ID of one that did not answer */
static void arm_smmu_atc_test_successor(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 2);
	fake_fail_batch(test, 1);
	arm_smmu_atc_release_master(fake_master(test, 0));
	xa_store(&fake->smmu.streams, FAKE_FIRST_SID, fake_master(test, 1),
		 GFP_KERNEL);
	fake_sid(test, 0)->timeouts = 0;

	/* The timeout was its predecessor's: it is asked once more */
	fake_recover(test, -ETIMEDOUT);
	fake_expect_seen(test, .atc_invs = 1, .syncs = 1);
	fake_expect_usable(test, 1);
}

static struct kunit_case arm_smmu_atc_master_cases[] = {
	FAKE_CASE(duplicate_streams),
	FAKE_CASE(insert),
	FAKE_CASE(alias),
	FAKE_CASE(cxl),
	FAKE_CASE(master_gone),
	FAKE_CASE(gone_is_not_skipped),
	FAKE_CASE(master_going),
	FAKE_CASE(successor),
	{},
};

FAKE_SUITE("master", arm_smmu_atc_master_cases);
