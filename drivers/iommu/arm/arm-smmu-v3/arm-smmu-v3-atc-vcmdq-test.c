// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the recovery with a second command queue, as Tegra241 has for
 * the host and for guests, on a fake SMMU. A CMD_SYNC of one queue may report
 * the timeout of a CMD_ATC_INV of another.
 *
 * Copyright (C) 2026 The ATC fence authors
 */
#include "arm-smmu-v3-fake.h"

static struct arm_smmu_cmdq *fake_get_no_cmdq(struct arm_smmu_device *smmu,
					      struct arm_smmu_cmd *cmd)
{
	return NULL;
}

/* As with a queue for each CPU, and a submitter that migrates each time */
static struct arm_smmu_cmdq *fake_get_other_cmdq(struct arm_smmu_device *smmu,
						 struct arm_smmu_cmd *cmd)
{
	struct fake_smmu *fake = container_of(smmu, struct fake_smmu, smmu);

	return fake->go_at++ % 2 ? &fake->cmdq2 : NULL;
}

static const struct arm_smmu_impl_ops fake_no_cmdq_ops = {
	.get_secondary_cmdq = fake_get_no_cmdq,
};

static const struct arm_smmu_impl_ops fake_other_cmdq_ops = {
	.get_secondary_cmdq = fake_get_other_cmdq,
};

/* All @op were sent to @cmdq */
static void fake_expect_on_queue(struct kunit *test, u8 op,
				 struct arm_smmu_cmdq *cmdq)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i;

	for (i = 0; i < fake->log_num; i++)
		if (fake_log_op(fake, i) == op)
			KUNIT_EXPECT_PTR_EQ(test, fake->log[i].cmdq, cmdq);
}

/* A guest's own queue has a CMD_ATC_INV that its device does not answer */
static void fake_guest_kills(struct kunit *test, unsigned int i)
{
	struct arm_smmu_cmd cmd =
		arm_smmu_make_cmd_atc_inv_all(FAKE_FIRST_SID + i, 0);
	struct fake_smmu *fake = test->priv;

	fake_cpu_or_skip(test);
	fake_add_queue(test, &fake_no_cmdq_ops);
	fake_kill(test, i);
	KUNIT_EXPECT_EQ(test, 0,
			arm_smmu_cmdq_issue_cmdlist(&fake->smmu, &fake->cmdq2,
						    &cmd, 1, false));
	fake_settle(fake);
}

static struct arm_smmu_invs *fake_invs(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	return rcu_dereference_protected(fake->domain.invs, true);
}

static void arm_smmu_atc_test_vcmdq(struct kunit *test)
{
	static const struct fake_scenario scenario = {
		.masters = 3, .cmdq2 = true, .dead = { 1, 1 },
		.seen = { .atc_invs = 3 + 3, .cfgi_stes = 1,
			  .syncs = 1 + 3 + 1, .errors = 2 },
		.fenced = { 1, 1 } };
	struct fake_smmu *fake = test->priv;

	fake_run_scenario(test, &scenario);
	fake_expect_on_queue(test, CMDQ_OP_ATC_INV, &fake->cmdq2);
	/* Which a VCMDQ does not take */
	fake_expect_on_queue(test, CMDQ_OP_CFGI_STE, &fake->smmu.cmdq);
	KUNIT_EXPECT_EQ(test, readl(fake->smmu.cmdq.gerror_reg), 0);
}

/* The timeout could be of another queue's command: it is asked again */
FAKE_SCENARIO(vcmdq_alone, .cmdq2 = true, .dead = { 0, 1 },
	      .seen = { .atc_invs = 2, .cfgi_stes = 1, .syncs = 3,
			.errors = 2 },
	      .fenced = { 0, 1 })

/* An implementation may have hooks, but no other queue */
static void arm_smmu_atc_test_impl_alone(struct kunit *test)
{
	static const struct arm_smmu_impl_ops no_ops;
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1);
	fake->smmu.impl_ops = &no_ops;
	fake_kill(test, 0);
	fake_flush(test);
	fake_expect_seen(test, .atc_invs = 1, .cfgi_stes = 1, .syncs = 2,
			 .errors = 1);
	fake_expect_fenced(test, 0, 1);
}

/* The host's CMD_SYNC reports the timeout of a command that a guest has sent */
static void arm_smmu_atc_test_vcmdq_of_guest(struct kunit *test)
{
	fake_attach(test, 1);
	fake_add_master(test, 1);
	fake_guest_kills(test, 1);
	fake_flush(test);
	/* It was not that of the only master that the host asked */
	fake_expect_seen(test, .atc_invs = 1 + 2, .syncs = 2, .errors = 1);
	fake_expect_none_fenced(test);
}

/*
 * The host does not need to know whose timeout it was: a domain that a guest
 * nests in has all of the ATC invalidated, by a command of the host's own.
 */
static void arm_smmu_atc_test_all_of_atc(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i;

	fake_attach(test, 2);
	for (i = 0; i < fake_invs(test)->num_invs; i++)
		fake_invs(test)->inv[i].type = INV_TYPE_ATS_FULL;
	fake_guest_kills(test, 1);
	fake_forget_log(test);
	fake_flush(test);
	fake_expect_fenced(test, 1, 1);
	for (i = 0; i < fake->log_num; i++) {
		u8 size = FIELD_GET(CMDQ_ATC_1_SIZE, fake->log[i].cmd.data[1]);

		if (fake_log_op(fake, i) == CMDQ_OP_ATC_INV)
			KUNIT_EXPECT_EQ(test, size, ATC_INV_SIZE_ALL);
	}
}

/* All of a batch must be in front of its CMD_SYNC, so on one queue */
static void arm_smmu_atc_test_vcmdq_batch(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i;

	fake_cpu_or_skip(test);
	fake_attach_all(test, 40, 1, 5);
	fake_add_queue(test, &fake_other_cmdq_ops);
	for (i = 0; i < fake_invs(test)->num_invs; i++) {
		struct arm_smmu_inv *inv = &fake_invs(test)->inv[i];

		inv->type = INV_TYPE_S1_ASID;
		inv->size_opcode = CMDQ_OP_TLBI_NH_VA;
		inv->nsize_opcode = CMDQ_OP_TLBI_NH_ASID;
		inv->id = i;
		inv->ssid = 0;
	}
	fake_invs(test)->has_ats = false;
	arm_smmu_domain_inv_range(&fake->domain, 0, 0, 0, false);
	fake_settle(fake);
	fake_expect_seen(test, .tlbis = 200, .syncs = 1);
	fake_expect_on_queue(test, CMDQ_OP_TLBI_NH_ASID, fake->log[0].cmdq);
	fake_expect_on_queue(test, CMDQ_OP_CMD_SYNC, fake->log[0].cmdq);
}

static struct kunit_case arm_smmu_atc_vcmdq_cases[] = {
	FAKE_CASE_MODES(vcmdq),
	FAKE_CASE(vcmdq_alone),
	FAKE_CASE(impl_alone),
	FAKE_CASE_MODES(vcmdq_of_guest),
	FAKE_CASE(all_of_atc),
	FAKE_CASE(vcmdq_batch),
	{},
};

FAKE_SUITE("vcmdq", arm_smmu_atc_vcmdq_cases);
