// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recovery from ATC invalidations that an endpoint does not answer.
 *
 * A flush that cannot invalidate the ATC of a device must not return while the
 * device can use the translations in it: the memory is about to be freed. The
 * SMMU can refuse the device's Translated transactions at once and without the
 * device, by STE.EATS = 0b00 (IHI 0070, 3.9.1.3). That is the fence. The device
 * keeps its domain, so its untranslated DMA continues. It gets ATS back after a
 * reset, if it then answers.
 *
 * This code does not reset the device. Its driver or the administrator decides
 * whether and when to do that.
 *
 * Copyright (C) 2026 The ATC fence authors
 */
#include <linux/bitfield.h>
#include <linux/delay.h>
#include <linux/dev_printk.h>
#include <linux/panic.h>
#include <linux/rcupdate.h>
#include <kunit/visibility.h>

#include "arm-smmu-v3.h"

/*
 * The states of a master whose ATC_INV was not answered:
 *
 *	state		EATS in memory	EATS that the	ATC_INV		flush
 *					SMMU uses	is queued	returns
 *	OK		0 or 1		0 or 1		yes		if answered
 *	FENCING		0		0 or 1		yes		no
 *	FENCED		0		0		no		yes
 *
 * A flush whose CMD_ATC_INV is not answered takes a master from OK to FENCING
 * to FENCED. It does not wait for another flush that fences the same master,
 * because it may have interrupted that flush. All steps can be repeated: a
 * flush that finds FENCING repeats them. A reset lifts the fence: the master
 * returns to OK, with EATS = 0. GONE is the state of a master that is being
 * released, and that a flush may have looked up just before.
 *
 * An attach sets EATS only if the device has answered a CMD_ATC_INV for its
 * whole ATC since EATS was last 1. The ATC is then empty until EATS is set. So
 * neither a reset that has not emptied the ATC, nor a new master for the same
 * device, nor a new kernel lets a device use translations from before.
 *
 * Under fence->lock, the fence sets the state and clears EATS, and an attach
 * tests the state and stores the word with EATS. Without the lock, EATS would
 * be set again until the attach sees the state:
 *
 *	CPU 0 (flush)				CPU 1 (attach)
 *
 *						state == OK
 *	state = FENCING
 *	EATS = 0
 *	CFGI_STE, SYNC
 *	flush returns, page is reused
 *						EATS = 1
 *	<device writes to the page>
 *						state != OK: EATS = 0
 */

static u32 arm_smmu_atc_inv_sid(const struct arm_smmu_cmd *cmd)
{
	return FIELD_GET(CMDQ_ATC_0_SID, cmd->data[0]);
}

/* Make arm_smmu_atc_filter() look at @sid, from now on and permanently */
static void arm_smmu_atc_extend_range(struct arm_smmu_device *smmu, u32 sid)
{
	u32 old = READ_ONCE(smmu->atc_fenced_min);

	while (sid < old && !try_cmpxchg(&smmu->atc_fenced_min, &old, sid))
		;
	old = READ_ONCE(smmu->atc_fenced_max);
	while (sid > old && !try_cmpxchg(&smmu->atc_fenced_max, &old, sid))
		;
}

/* Must a flush leave out the CMD_ATC_INV for @sid? See arm_smmu_atc_is_fenced(). */
bool __arm_smmu_atc_is_fenced(struct arm_smmu_device *smmu, u32 sid)
{
	struct arm_smmu_master *master;

	guard(rcu)();
	master = arm_smmu_load_master(smmu, sid);
	/*
	 * Only FENCED: with FENCING the SMMU may still let the device write.
	 * With FENCED, the CMD_SYNC of the fence has completed.
	 *
	 * A reset may end the fence now, and an attach may set EATS next. The
	 * device can then not fetch the translation that the flush removes: it
	 * is gone from the page table, and the CMD_SYNC of its TLBI completed
	 * before this look at the first ATS entry (arm_smmu_invs_end_batch()).
	 */
	return master && READ_ONCE(master->fence.state) == ARM_SMMU_ATC_FENCED;
}

/**
 * arm_smmu_atc_filter() - Take the commands for fenced masters out of a batch
 * @smmu: the SMMU
 * @batch: CMD_ATC_INVs, in the order of their Stream IDs
 *
 * A fenced device should not slow down the others: look at the ends of the
 * batch first, and then only at Stream IDs in the range of the fenced ones.
 */
void arm_smmu_atc_filter(struct arm_smmu_device *smmu,
			 struct arm_smmu_cmdq_batch *batch)
{
	struct arm_smmu_cmd *cmds = batch->cmds;
	int first = 0, end = batch->num, i, n;
	u32 min, max;

	/*
	 * The caller has read nr_atc_fenced: now read the range of Stream IDs
	 * that belongs to it. Pairs with the atomic_inc_return() of
	 * nr_atc_fenced, which is fully ordered.
	 */
	smp_rmb();
	min = READ_ONCE(smmu->atc_fenced_min);
	max = READ_ONCE(smmu->atc_fenced_max);

	if (arm_smmu_atc_inv_sid(&cmds[0]) > max ||
	    arm_smmu_atc_inv_sid(&cmds[end - 1]) < min)
		return;

	/* The first command with a Stream ID of min or more */
	while (first < end) {
		i = (first + end) / 2;
		if (arm_smmu_atc_inv_sid(&cmds[i]) < min)
			first = i + 1;
		else
			end = i;
	}

	for (i = n = first; i < batch->num; i++) {
		u32 sid = arm_smmu_atc_inv_sid(&cmds[i]);

		if (n == i && sid > max)
			return;
		if (sid > max || !__arm_smmu_atc_is_fenced(smmu, sid))
			cmds[n++] = cmds[i];
	}
	batch->num = n;
}

/**
 * arm_smmu_atc_usable() - May the master use ATS?
 * @master: the master
 *
 * Context: Any. A flush may fail and change the answer at any time. Code that
 * must not set EATS for a fenced master uses arm_smmu_atc_set_ste_qword().
 * Return: false from the moment at which a fence begins until it is lifted.
 */
bool arm_smmu_atc_usable(struct arm_smmu_master *master)
{
	return READ_ONCE(master->fence.state) == ARM_SMMU_ATC_OK;
}

/**
 * arm_smmu_atc_set_ste_qword() - Store the word of a live STE that has EATS
 * @master: the master that the STE belongs to
 * @dst: word 1 of the STE
 * @val: its new value
 *
 * All stores of an attach to that word of a master's STE use this function,
 * also those of intermediate values. It leaves EATS out if the master is fenced
 * or a fence of it has begun.
 *
 * Context: Any, takes the raw spinlock of the fence.
 * Return: true if the SMMU needs a CMD_CFGI_STE, because the word has changed
 *         here, or because a fence has changed it and may not have sent one.
 */
bool arm_smmu_atc_set_ste_qword(struct arm_smmu_master *master, __le64 *dst,
				__le64 val)
{
	unsigned long flags;
	bool changed;

	raw_spin_lock_irqsave(&master->fence.lock, flags);
	if (master->fence.state != ARM_SMMU_ATC_OK)
		val &= ~cpu_to_le64(STRTAB_STE_1_EATS);
	/* FENCING: the SMMU may still use the word as it was before */
	changed = *dst != val || master->fence.state == ARM_SMMU_ATC_FENCING;
	if (*dst != val)
		WRITE_ONCE(*dst, val);
	raw_spin_unlock_irqrestore(&master->fence.lock, flags);

	return changed;
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_atc_set_ste_qword);

/**
 * arm_smmu_atc_clear_eats() - Clear EATS in a live STE
 * @smmu: the SMMU
 * @ste: the STE
 *
 * A flush cannot take the mutexes that an attach holds while it writes the STE,
 * and the attach may be between two stores: clear EATS only, and keep the other
 * bits of the word as they are now.
 *
 * The lock of the fence alone is enough while all stores to the word are made
 * under it. It has to be enough with an SMMU that is not coherent: exclusives
 * and atomics on Normal Non-cacheable memory are IMPLEMENTATION DEFINED. The
 * cmpxchg is also right if a later change stores to the word without the lock.
 *
 * Context: Any, with the raw spinlock of the master's fence held.
 */
VISIBLE_IF_KUNIT
void arm_smmu_atc_clear_eats(struct arm_smmu_device *smmu,
			     struct arm_smmu_ste *ste)
{
	const u64 eats = (__force u64)cpu_to_le64(STRTAB_STE_1_EATS);
	u64 *word = (__force u64 *)&ste->data[1];
	u64 old = READ_ONCE(*word);

	if (!(smmu->features & ARM_SMMU_FEAT_COHERENCY)) {
		WRITE_ONCE(*word, old & ~eats);
		return;
	}

	while (!try_cmpxchg64(word, &old, old & ~eats))
		;
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_atc_clear_eats);

/* How often to send the CMD_CFGI_STEs, if the SMMU reports an error for them */
#define ARM_SMMU_ATC_CFGI_TRIES		8

/*
 * Make the SMMU observe the STEs of @master. When the CMD_SYNC has completed,
 * so have the transactions that the old STEs let through (IHI 0070, 4.7.3). No
 * write of the device is left.
 *
 * -ETIMEDOUT says that an ATC invalidation, of any master, was not answered.
 * The CMD_SYNC has waited for the CMD_CFGI_STE nevertheless. -EIO says that a
 * CMD_CFGI_STE may not have been executed: repeat the list, and stop an SMMU
 * that goes on to fail it.
 */
static void arm_smmu_atc_sync_stes(struct arm_smmu_master *master)
{
	struct arm_smmu_device *smmu = master->smmu;
	struct arm_smmu_stream *streams;
	struct arm_smmu_cmd cmds[8];
	int first, i, n, ret, tries;

	for (first = 0; first < master->num_streams; first += n) {
		streams = &master->streams[first];
		n = min_t(int, master->num_streams - first, ARRAY_SIZE(cmds));
		for (i = 0; i < n; i++)
			cmds[i] = arm_smmu_make_cmd_cfgi_ste(streams[i].id,
							     true);
		tries = 0;
		do {
			ret = arm_smmu_cmdq_issue_cmdlist(smmu, &smmu->cmdq,
							  cmds, n, true);
		} while (ret == -EIO && ++tries < ARM_SMMU_ATC_CFGI_TRIES);
		if (ret == -EIO)
			arm_smmu_stop(smmu);
	}
}

/*
 * The flush does not log: it may hold locks that a console needs. The device
 * exists until arm_smmu_atc_release_master() has waited for this work.
 */
static void arm_smmu_atc_log_fenced(struct irq_work *work)
{
	struct arm_smmu_atc_fence *fence =
		container_of(work, struct arm_smmu_atc_fence, log_work);
	struct arm_smmu_master *master =
		container_of(fence, struct arm_smmu_master, fence);

	dev_err(master->dev,
		"ATC invalidation was not answered, ATS is off for Stream ID 0x%x of %s until the device is reset\n",
		fence->sid, dev_name(master->smmu->dev));

	/*
	 * An SMMU need not check CXL.cache accesses against EATS (IHI 0070,
	 * 3.9.3) or against anything else in the STE. Only a reset of the
	 * device or taking its link down helps. All such devices have ATS
	 * always on.
	 */
	if (master->ats_always_on) {
		add_taint(TAINT_MACHINE_CHECK, LOCKDEP_STILL_OK);
		dev_emerg(master->dev,
			  "may still write by CXL.cache to memory that is not its own, reset it now\n");
	}
}

/*
 * Fence @master, or complete a fence of it that is in progress. @gen was read
 * before the CMD_ATC_INV that failed was queued. If the device was reset since,
 * the failure says nothing about its ATC. If the master is GONE, its STEs may
 * belong to another master.
 *
 * With @timed_out, it is logged that @sid did not answer.
 *
 * Returns false if the device was reset and the master was left alone.
 */
static bool arm_smmu_atc_fence(struct arm_smmu_master *master, u32 gen, u32 sid,
			       bool timed_out)
{
	struct arm_smmu_atc_fence *fence = &master->fence;
	struct arm_smmu_device *smmu = master->smmu;
	struct arm_smmu_ste *step;
	unsigned long flags;
	int i;

	raw_spin_lock_irqsave(&fence->lock, flags);
	WRITE_ONCE(fence->retrying, false);
	if (fence->gen != gen) {
		raw_spin_unlock_irqrestore(&fence->lock, flags);
		return false;
	}
	if (fence->state == ARM_SMMU_ATC_FENCED ||
	    fence->state == ARM_SMMU_ATC_GONE) {
		raw_spin_unlock_irqrestore(&fence->lock, flags);
		return true;
	}
	if (fence->state == ARM_SMMU_ATC_OK) {
		fence->timed_out = timed_out;
		fence->sid = sid;
	}
	WRITE_ONCE(fence->state, ARM_SMMU_ATC_FENCING);
	for (i = 0; i < master->num_streams; i++) {
		u32 id = master->streams[i].id;

		/* Stream ID of another master: the probe of this one fails */
		if (arm_smmu_load_master(smmu, id) != master)
			continue;
		step = arm_smmu_get_step_for_sid(smmu, id);
		arm_smmu_atc_clear_eats(smmu, step);
	}
	raw_spin_unlock_irqrestore(&fence->lock, flags);

	arm_smmu_atc_sync_stes(master);

	raw_spin_lock_irqsave(&fence->lock, flags);
	if (fence->gen == gen && fence->state == ARM_SMMU_ATC_FENCING) {
		WRITE_ONCE(fence->state, ARM_SMMU_ATC_FENCED);
		for (i = 0; i < master->num_streams; i++)
			arm_smmu_atc_extend_range(smmu, master->streams[i].id);
		/* Pairs with the smp_rmb() in arm_smmu_atc_filter() */
		atomic_inc_return(&smmu->nr_atc_fenced);
		if (fence->timed_out)
			irq_work_queue(&fence->log_work);
	}
	raw_spin_unlock_irqrestore(&fence->lock, flags);

	return true;
}

static bool arm_smmu_has_secondary_cmdqs(struct arm_smmu_device *smmu)
{
	return smmu->impl_ops && smmu->impl_ops->get_secondary_cmdq;
}

/*
 * Is it certain that the device of the only Stream ID in @batch did not answer?
 * It is not if CMD_ATC_INVs of another queue can fail the CMD_SYNC of this
 * queue, as with the VCMDQs of a Tegra241, or if any device was reset, added or
 * removed since the batch was begun.
 */
static bool arm_smmu_atc_blame_is_exact(struct arm_smmu_device *smmu,
					struct arm_smmu_cmdq_batch *batch)
{
	if (arm_smmu_has_secondary_cmdqs(smmu))
		return false;

	return atomic_read(&smmu->atc_gen) == batch->atc_gen;
}

/* How often to look for the outcome of another flush's retry, and how long */
#define ARM_SMMU_ATC_AWAITS		10
#define ARM_SMMU_ATC_AWAIT_US		20

/*
 * Another flush has set fence->retrying and retries for this device. If each of
 * M flushes that failed at the same time retried, each retry would cost a
 * hardware timeout, and the fence, which is queued after all of them, would
 * take 2 M timeouts and not M + 1.
 *
 * Issue a bare CMD_SYNC, which completes after the other retry if that is in
 * the queue. This does not depend on the other flush, which may be what this
 * CPU has interrupted. If the outcome is still open after a few rounds, the
 * caller retries.
 */
static void arm_smmu_atc_await_retry(struct arm_smmu_device *smmu,
				     struct arm_smmu_cmdq *cmdq,
				     struct arm_smmu_atc_fence *fence)
{
	int us;

	arm_smmu_cmdq_issue_cmdlist(smmu, cmdq, NULL, 0, true);

	for (us = 0; us < ARM_SMMU_ATC_AWAIT_US; us++) {
		if (READ_ONCE(fence->state) != ARM_SMMU_ATC_OK ||
		    !READ_ONCE(fence->retrying))
			return;
		udelay(1);
	}
}

/*
 * The @n commands of @batch from @first on are all for @sid. Returns when the
 * device has answered them or is fenced. @blamed: the batch was for @sid only,
 * and a CMD_ATC_INV has timed out.
 */
static void arm_smmu_atc_recover_sid(struct arm_smmu_device *smmu,
				     struct arm_smmu_cmdq_batch *batch,
				     int first, int n, u32 sid, bool blamed)
{
	struct arm_smmu_cmd *cmds = &batch->cmds[first];
	struct arm_smmu_atc_fence *fence;
	struct arm_smmu_master *master;
	int awaits = 0;
	int ret;
	u32 gen;

	guard(rcu)();
	while (true) {
		/* Removed: its last attach has emptied its ATC or fenced it */
		master = arm_smmu_load_master(smmu, sid);
		if (!master)
			return;
		fence = &master->fence;

		/*
		 * Acquire: the retry must be queued after this load. The state
		 * and smmu->atc_gen must not be older than gen: a reset changes
		 * them first. Pairs with the release in arm_smmu_atc_set_state().
		 */
		gen = smp_load_acquire(&fence->gen);

		switch (READ_ONCE(fence->state)) {
		case ARM_SMMU_ATC_OK:
			if (blamed && arm_smmu_atc_blame_is_exact(smmu, batch))
				break;

			if (xchg(&fence->retrying, true) &&
			    awaits++ < ARM_SMMU_ATC_AWAITS) {
				arm_smmu_atc_await_retry(smmu, batch->cmdq,
							 fence);
				continue;
			}
			ret = arm_smmu_cmdq_issue_cmdlist(smmu, batch->cmdq,
							  cmds, n, true);
			if (ret == -EIO || ret == -ETIMEDOUT)
				break;
			WRITE_ONCE(fence->retrying, false);
			return;
		case ARM_SMMU_ATC_FENCING:
			/* The flush that began it has seen it not answer */
			break;
		default:
			return;
		}

		if (arm_smmu_atc_fence(master, gen, sid, true))
			return;
	}
}

static bool arm_smmu_atc_inv_is_for(const struct arm_smmu_cmd *cmd, u32 sid)
{
	return arm_smmu_cmd_is_atc_inv(cmd) &&
	       FIELD_GET(CMDQ_ATC_0_SID, cmd->data[0]) == sid;
}

/**
 * arm_smmu_atc_recover() - Complete a batch of CMD_ATC_INVs that failed
 * @smmu: the SMMU
 * @batch: the batch, whose CMD_SYNC has completed, but with an error
 * @error: what arm_smmu_cmdq_issue_cmdlist() returned, -ETIMEDOUT or -EIO
 *
 * The SMMU does not report which of the CMD_ATC_INVs timed out. Issue those of
 * one Stream ID at a time, linearly, and fence each master that fails alone.
 * The other devices have then answered, and keep ATS. A batch with a single
 * Stream ID needs no retry, unless arm_smmu_atc_blame_is_exact() says no.
 *
 * A healthy endpoint may have answered the first time, or between the error and
 * the retry. An answer to the retry is enough in all cases.
 *
 * The commands of a Stream ID are adjacent: the invalidation array of a domain
 * and the streams of a master are sorted. A guest's list is not sorted, and has
 * other commands in between, which were executed or which the guest repeats.
 * The commands that come again for a Stream ID that is fenced by then are left
 * out.
 *
 * Takes K hardware timeouts more if K of several Stream IDs do not answer,
 * however many flushes have failed for them at once. Each sub-range of @batch
 * is issued in place, without an allocation or a second array on the stack:
 * this runs wherever iommu_unmap() may be called.
 *
 * If the SMMU is switched off meanwhile, there is nothing to fence: it then
 * does not use STEs.
 *
 * Context: Any, with whatever IRQ state iommu_unmap() allows. May take minutes.
 * Takes raw spinlocks, sends commands, and does not touch the device.
 */
void arm_smmu_atc_recover(struct arm_smmu_device *smmu,
			  struct arm_smmu_cmdq_batch *batch, int error)
{
	int first, next;

	for (first = 0; first < batch->num; first = next) {
		u32 sid = FIELD_GET(CMDQ_ATC_0_SID,
				    batch->cmds[first].data[0]);

		next = first;
		while (next < batch->num &&
		       arm_smmu_atc_inv_is_for(&batch->cmds[next], sid))
			next++;

		if (next == first) {
			next++;
			continue;
		}

		arm_smmu_atc_recover_sid(smmu, batch, first, next - first, sid,
					 next - first == batch->num &&
						 error == -ETIMEDOUT);
	}
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_atc_recover);

/* Set @state. A fence of @master that is in progress ends without effect. */
static void arm_smmu_atc_set_state(struct arm_smmu_master *master,
				   enum arm_smmu_atc_state state)
{
	struct arm_smmu_atc_fence *fence = &master->fence;

	lockdep_assert_held(&fence->lock);

	if (fence->state == ARM_SMMU_ATC_FENCED)
		atomic_dec(&master->smmu->nr_atc_fenced);
	/* Fully ordered: a CPU that reads the new fence->gen reads this, too */
	atomic_inc_return(&master->smmu->atc_gen);
	WRITE_ONCE(fence->state, state);
	/* Pairs with the acquire in arm_smmu_atc_recover_sid() */
	smp_store_release(&fence->gen, fence->gen + 1);
}

/*
 * As arm_smmu_atc_set_state(). Returns whether @master had a fence for a
 * CMD_ATC_INV that was not answered.
 */
VISIBLE_IF_KUNIT
bool arm_smmu_atc_lift(struct arm_smmu_master *master,
		       enum arm_smmu_atc_state state)
{
	unsigned long flags;
	bool fenced;

	raw_spin_lock_irqsave(&master->fence.lock, flags);
	fenced = master->fence.state != ARM_SMMU_ATC_OK &&
		 master->fence.timed_out;
	arm_smmu_atc_set_state(master, state);
	raw_spin_unlock_irqrestore(&master->fence.lock, flags);

	return fenced;
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_atc_lift);

/**
 * arm_smmu_atc_reset_done() - A reset of the device of a master is over
 * @master: the master
 * @result: 0 if the device was reset, a negative error code if it was not
 *
 * If it was reset, lift the fence. The device gets EATS and ATS back from the
 * next attach, if it then answers, see arm_smmu_attach_prepare(). A failure of a
 * command that was sent before the reset no longer counts: a flush in progress
 * compares the generations, with any array of invalidations that it may hold.
 *
 * Context: Process context, with the group mutex held. The RID, and all PASIDs,
 * are blocked.
 */
void arm_smmu_atc_reset_done(struct arm_smmu_master *master, int result)
{
	if (result) {
		if (READ_ONCE(master->fence.state) != ARM_SMMU_ATC_OK)
			dev_warn(master->dev,
				 "a reset failed: %d, ATS stays off\n", result);
		return;
	}

	if (arm_smmu_atc_lift(master, ARM_SMMU_ATC_OK))
		master->fence.was_lifted = true;
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_atc_reset_done);

/**
 * arm_smmu_atc_block() - Fence a master without asking its device
 * @master: the master
 *
 * For a device that is gone, or about to be reset on behalf of an error. A flush
 * that waits for the device already goes on waiting until the SMMU reports the
 * timeout.
 *
 * Context: Process context, without the group mutex. Waits for the CMD_SYNC of
 * the fence, which is behind the CMD_ATC_INVs that are outstanding.
 */
void arm_smmu_atc_block(struct arm_smmu_master *master)
{
	struct arm_smmu_atc_fence *fence = &master->fence;

	/* A reset that is done meanwhile lifts the fence: begin anew */
	do {
		arm_smmu_atc_fence(master, READ_ONCE(fence->gen), 0, false);
	} while (READ_ONCE(fence->state) != ARM_SMMU_ATC_FENCED &&
		 READ_ONCE(fence->state) != ARM_SMMU_ATC_GONE);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_atc_block);

/**
 * arm_smmu_atc_init_master() - Prepare a master for being fenced
 * @master: the master, which cannot be looked up yet
 *
 * The failure of a command that was sent to its Stream IDs before must not be
 * charged to it, see arm_smmu_atc_blame_is_exact().
 */
void arm_smmu_atc_init_master(struct arm_smmu_master *master)
{
	/* Fully ordered: before the master can be looked up */
	atomic_inc_return(&master->smmu->atc_gen);
	raw_spin_lock_init(&master->fence.lock);
	init_irq_work(&master->fence.log_work, arm_smmu_atc_log_fenced);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_atc_init_master);

/**
 * arm_smmu_atc_release_master() - A master is about to be freed
 * @master: the master, which can still be looked up by its Stream IDs
 *
 * A flush may have looked the master up, and may use it until a grace period
 * after its removal has ended. From now on the flush does not access the STEs,
 * and does not log with the device.
 *
 * A fence ends with its master: the STEs of the next one have no EATS before its
 * device has answered.
 *
 * Context: Process context, may sleep.
 */
void arm_smmu_atc_release_master(struct arm_smmu_master *master)
{
	arm_smmu_atc_lift(master, ARM_SMMU_ATC_GONE);
	irq_work_sync(&master->fence.log_work);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_atc_release_master);
