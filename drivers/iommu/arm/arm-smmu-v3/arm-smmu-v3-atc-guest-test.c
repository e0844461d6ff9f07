// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the invalidations that a guest asks for through iommufd, on a
 * fake SMMU: what is issued, what is fenced, and how many commands count as done.
 *
 * Copyright (C) 2026 The ATC fence authors
 */
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <uapi/linux/iommufd.h>

#include "arm-smmu-v3-fake.h"
#include "../../iommufd/iommufd_private.h"

/* How often a guest issues a list while the state of the fence flips */
#define FAKE_FLIPS	2000

struct fake_guest {
	struct arm_vsmmu vsmmu;
	struct iommufd_vdevice vdevs[4];
	struct iommufd_device idevs[4];
	struct arm_smmu_cmd cmds[4 * CMDQ_BATCH_ENTRIES];
	unsigned int num;
	unsigned long user;
	struct mm_struct *mm; /* that has it */
};

static void fake_remove_guest(void *data)
{
	struct fake_guest *guest = data;

	xa_destroy(&guest->vsmmu.core.vdevs);
}

/* With a device for each of the masters, the first of which has vSID 0 */
static struct fake_guest *fake_add_guest(struct kunit *test,
					 unsigned int num_masters)
{
	struct fake_smmu *fake = test->priv;
	struct fake_guest *guest;
	unsigned int i;

	fake_cpu_or_skip(test);
	guest = kunit_kzalloc(test, sizeof(*guest), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, guest);
	guest->user = kunit_vm_mmap(test, NULL, 0, sizeof(guest->cmds),
				    PROT_READ | PROT_WRITE,
				    MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE_MSG(test, 0, guest->user, "no user memory");
	guest->mm = current->mm;
	guest->vsmmu.smmu = &fake->smmu;
	guest->vsmmu.vmid = 7;
	xa_init(&guest->vsmmu.core.vdevs);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, fake_remove_guest,
						  guest));

	fake_attach(test, num_masters);
	for (i = 0; i < num_masters; i++) {
		guest->idevs[i].dev = &fake->masters[i].dev;
		guest->vdevs[i].idev = &guest->idevs[i];
		KUNIT_ASSERT_EQ(test, 0,
				xa_err(xa_store(&guest->vsmmu.core.vdevs, i,
						&guest->vdevs[i],
						GFP_KERNEL)));
	}
	return guest;
}

static void fake_guest_tlbi(struct fake_guest *guest, unsigned int n)
{
	while (n--)
		guest->cmds[guest->num++] =
			arm_smmu_make_cmd_tlbi(CMDQ_OP_TLBI_NH_ASID, n, 0);
}

static void fake_guest_atc_inv(struct fake_guest *guest, unsigned int vsid)
{
	guest->cmds[guest->num++] = arm_smmu_make_cmd_atc_inv_all(vsid, 0);
}

/*
 * The guest asks for all of its commands. Expect what the ioctl returns, and how
 * many of the commands it says are done. The log begins with them.
 */
static void fake_guest_expect(struct kunit *test, struct fake_guest *guest,
			      int ret, unsigned int done)
{
	struct iommu_user_data_array array = {
		.type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
		.uptr = (void __user *)guest->user,
		.entry_len = sizeof(guest->cmds[0]),
		.entry_num = guest->num,
	};

	KUNIT_ASSERT_EQ(test, 0,
			copy_to_user(array.uptr, guest->cmds,
				     guest->num * sizeof(guest->cmds[0])));
	fake_forget_log(test);
	KUNIT_EXPECT_EQ(test, ret,
			arm_vsmmu_cache_invalidate(&guest->vsmmu.core, &array));
	KUNIT_EXPECT_EQ(test, done, array.entry_num);
}

static void arm_smmu_atc_test_guest(struct kunit *test)
{
	struct fake_guest *guest = fake_add_guest(test, 3);

	/* In any order, and others in between */
	fake_guest_tlbi(guest, 2);
	fake_guest_atc_inv(guest, 2);
	fake_guest_atc_inv(guest, 0);
	guest->cmds[guest->num++] = arm_smmu_make_cmd_cfgi_cd(1, 0, true);
	fake_guest_atc_inv(guest, 1);
	fake_guest_atc_inv(guest, 0);
	fake_guest_tlbi(guest, 1);
	fake_guest_expect(test, guest, 0, 8);
	fake_expect_seen(test, .tlbis = 3, .atc_invs = 4, .syncs = 1);

	fake_kill(test, 0);
	fake_guest_expect(test, guest, -ETIMEDOUT, 0);
	/* Each is asked again, except for the one that is fenced by then */
	fake_expect_seen(test, .tlbis = 3, .atc_invs = 4 + 3, .cfgi_stes = 1,
			 .syncs = 1 + 3 + 1, .errors = 2);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_CFGI_CD), 1);
	fake_expect_fenced(test, 0, 1);

	/* The host's queue does not stop again, but completes what is before */
	fake_guest_expect(test, guest, 0, 8);
	fake_expect_seen(test, .tlbis = 3, .atc_invs = 2, .syncs = 3);
}

static void arm_smmu_atc_test_guest_many(struct kunit *test)
{
	struct fake_guest *guest = fake_add_guest(test, 2);

	/* 63 and their CMD_SYNC are a batch */
	fake_guest_tlbi(guest, 70);
	fake_guest_atc_inv(guest, 1);
	fake_guest_tlbi(guest, 70);
	fake_kill(test, 1);
	fake_guest_expect(test, guest, -ETIMEDOUT, 63);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_TLBI_NH_ASID), 125);
	fake_expect_fenced(test, 1, 1);

	/* What is left out counts as done */
	fake_guest_expect(test, guest, 0, 141);
	fake_expect_seen(test, .tlbis = 140, .syncs = 4);
}

static void arm_smmu_atc_test_guest_alone(struct kunit *test)
{
	struct fake_guest *guest = fake_add_guest(test, 1);

	fake_guest_atc_inv(guest, 0);
	fake_kill(test, 0);
	fake_guest_expect(test, guest, -ETIMEDOUT, 0);
	fake_expect_seen(test, .atc_invs = 1, .cfgi_stes = 1, .syncs = 2,
			 .errors = 1);
	fake_expect_fenced(test, 0, 1);

	/* Nothing is left of it */
	fake_guest_expect(test, guest, 0, 1);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_ATC_INV), 0);
}

static void fake_reset_at_tlbi(struct fake_smmu *fake,
			       const struct arm_smmu_cmd *cmd)
{
	if (fake_cmd_op(cmd) == CMDQ_OP_TLBI_NH_ASID)
		arm_smmu_atc_lift(&fake->masters[0].master, ARM_SMMU_ATC_OK);
}

/* As soon as its fence is lifted, the device may cache what is in the TLB */
static void arm_smmu_atc_test_guest_reset(struct kunit *test)
{
	struct fake_guest *guest = fake_add_guest(test, 1);
	struct fake_smmu *fake = test->priv;

	fake_fence(test, 0);
	fake_expect_fenced(test, 0, 1);

	fake_sid(test, 0)->timeouts = 0;
	fake->before_cmd = fake_reset_at_tlbi;
	fake_guest_tlbi(guest, 1);
	fake_guest_atc_inv(guest, 0);
	fake_guest_expect(test, guest, 0, 2);
	fake_expect_seen(test, .tlbis = 1, .atc_invs = 1, .syncs = 2);
}

/*
 * A fence may be completed and lifted at any moment, also between two looks at
 * it. Without the lock, which would slow this down: EATS is 0 all the time, and
 * no other thread writes the state.
 */
static int fake_flip_thread(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;
	struct arm_smmu_atc_fence *fence = &fake->masters[0].master.fence;

	while (READ_ONCE(fake->go_at)) {
		/*
		 * The barriers pair with none. They drain the store, so that
		 * the other thread sees each state for a while.
		 */
		smp_store_mb(fence->state, ARM_SMMU_ATC_OK);
		smp_store_mb(fence->state, ARM_SMMU_ATC_FENCED); /* likewise */
	}
	return 0;
}

static struct fake_guest *fake_racing_guest;

/* The CMD_ATC_INV is issued, or left out after the TLBI was done */
static int fake_guest_thread(struct fake_thread *thread)
{
	struct kunit *test = thread->test;
	struct fake_smmu *fake = test->priv;
	unsigned int i;

	kthread_use_mm(fake_racing_guest->mm);
	for (i = 0; i < FAKE_FLIPS; i++) {
		fake_guest_expect(test, fake_racing_guest, 0, 2);
		KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_TLBI_NH_ASID),
				1);
		KUNIT_EXPECT_GE(test, fake_count(test, CMDQ_OP_ATC_INV) +
				      fake_count(test, CMDQ_OP_CMD_SYNC), 2);
	}
	kthread_unuse_mm(fake_racing_guest->mm);
	WRITE_ONCE(fake->go_at, 0);
	return 0;
}

static void arm_smmu_atc_test_guest_and_flips(struct kunit *test)
{
	struct fake_guest *guest = fake_add_guest(test, 1);
	struct fake_smmu *fake = test->priv;
	struct fake_thread threads[2];

	fake_fence(test, 0);
	fake_sid(test, 0)->timeouts = 0;
	fake_guest_tlbi(guest, 1);
	fake_guest_atc_inv(guest, 0);
	fake_racing_guest = guest;
	fake->go_at = 1;
	fake_run(test, threads, 2, 2, fake_guest_thread, fake_flip_thread);
}

/* A list fails that has to be done before a command for a fenced master */
static void arm_smmu_atc_test_guest_dead_before_fenced(struct kunit *test)
{
	struct fake_guest *guest = fake_add_guest(test, 2);

	fake_guest_atc_inv(guest, 0);
	fake_kill(test, 0);
	fake_guest_expect(test, guest, -ETIMEDOUT, 0);
	fake_expect_fenced(test, 0, 1);

	guest->num = 0;
	fake_guest_atc_inv(guest, 0);
	fake_guest_atc_inv(guest, 1);
	fake_guest_atc_inv(guest, 0);
	fake_guest_tlbi(guest, 1);
	fake_kill(test, 1);
	fake_guest_expect(test, guest, -ETIMEDOUT, 0);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_TLBI_NH_ASID), 0);
	fake_expect_fenced(test, 0, 2);
}

/* The device answers, but one of its guest's commands is not legal */
static void arm_smmu_atc_test_guest_illegal(struct kunit *test)
{
	struct fake_guest *guest = fake_add_guest(test, 2);

	fake_guest_tlbi(guest, 64);
	fake_guest_atc_inv(guest, 0);
	fake_guest_atc_inv(guest, 1);
	/* 63 and a CMD_SYNC, then the one that is left */
	fake_fault(test, 65, CMDQ_ERR_CERROR_ILL_IDX);
	fake_guest_expect(test, guest, -EIO, 63);
	fake_expect_seen(test, .tlbis = 64, .atc_invs = 1, .syncs = 3,
			 .errors = 1);
	fake_expect_none_fenced(test);
	fake_forget_log(test);

	/* That must not hide that a device does not answer */
	fake_kill(test, 1);
	fake_fault(test, 65, CMDQ_ERR_CERROR_ILL_IDX);
	fake_guest_expect(test, guest, -ETIMEDOUT, 63);
	fake_expect_fenced(test, 1, 1);

	/* Found before the SMMU does: what is before it in its batch is not sent */
	guest->cmds[65].data[0] = CMDQ_OP_TLBI_EL2_ALL;
	fake_guest_expect(test, guest, -EIO, 63);
	fake_expect_seen(test, .tlbis = 63, .syncs = 1);
}

static struct kunit_case arm_smmu_atc_guest_cases[] = {
	FAKE_CASE_MODES(guest),
	FAKE_CASE(guest_many),
	FAKE_CASE(guest_alone),
	FAKE_CASE(guest_illegal),
	FAKE_CASE_MODES(guest_reset),
	FAKE_CASE(guest_and_flips),
	FAKE_CASE(guest_dead_before_fenced),
	{},
};

FAKE_SUITE("guest", arm_smmu_atc_guest_cases);
