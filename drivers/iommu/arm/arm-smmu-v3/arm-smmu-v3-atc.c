// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recovery from ATC invalidations that an endpoint does not answer.
 *
 * A flush that cannot invalidate the ATC of a device must not return as long as
 * the device can use what it has cached: the memory behind it is about to be
 * freed. The only thing that helps at once, without the device, is to have the
 * SMMU refuse the device's Translated transactions, which STE.EATS = 0b00 does
 * (IHI 0070, 3.9.1.3). That is the fence. The device keeps its translation, so
 * untranslated DMA goes on, and it gets ATS back when it has been reset, which
 * should empty its ATC, and then answers.
 *
 * What this is not: recovery of the device. Whether and when to reset it is for
 * its driver, or the administrator, to decide.
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
 * How the parts play together, for a master whose ATC_INV was not answered:
 *
 *	state		EATS in memory	EATS that the	ATC_INV		flush
 *					SMMU goes by	is queued	returns
 *	OK		0 or 1		0 or 1		yes		if answered
 *	FENCING		0		0 or 1		yes		no
 *	FENCED		0		0		no		yes
 *
 * OK -> FENCING -> FENCED is walked by whoever has a flush to complete. Nobody
 * waits for anybody else on that way, since the other one may be the context
 * that we have interrupted: all steps can be repeated, and whoever finds FENCING
 * repeats them. Only an answer leads back to OK, after a reset, or of a device
 * that has just come. GONE is the end of a master that may have been looked up
 * just before.
 *
 * fence->lock makes one step of what the fence does in memory, and one of the
 * decision of an attach to store a word with EATS. Otherwise EATS could come
 * back for as long as the attach takes to notice:
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

/* Have arm_smmu_atc_filter() look at @sid. It does so for good. */
static void arm_smmu_atc_widen(struct arm_smmu_device *smmu, u32 sid)
{
	u32 old = READ_ONCE(smmu->atc_fenced_min);

	while (sid < old && !try_cmpxchg(&smmu->atc_fenced_min, &old, sid))
		;
	old = READ_ONCE(smmu->atc_fenced_max);
	while (sid > old && !try_cmpxchg(&smmu->atc_fenced_max, &old, sid))
		;
}

/* Must a flush leave out the CMD_ATC_INV for @sid? See arm_smmu_atc_skip(). */
bool __arm_smmu_atc_skip(struct arm_smmu_device *smmu, u32 sid)
{
	struct arm_smmu_master *master;

	guard(rcu)();
	master = arm_smmu_load_master(smmu, sid);
	/*
	 * Only FENCED: with FENCING the SMMU may still let the device write.
	 * That FENCED is seen means that its CMD_SYNC has completed.
	 *
	 * It may be lifted right now, and an attach may set EATS next. Whatever
	 * the device fetches from then on is not what the flush removes: that
	 * is gone from the page table, and the CMD_SYNC of its TLBI completed
	 * before the first ATS entry was looked at (arm_smmu_invs_end_batch()).
	 */
	return master && READ_ONCE(master->fence.state) == ARM_SMMU_ATC_FENCED;
}

/**
 * arm_smmu_atc_filter() - Take the commands for fenced masters out of a batch
 * @smmu: the SMMU
 * @batch: CMD_ATC_INVs, in the order of their Stream IDs
 *
 * A healthy device should not notice that another one is fenced, so look at the
 * ends of the batch first, and then only at who may be concerned.
 */
void arm_smmu_atc_filter(struct arm_smmu_device *smmu,
			 struct arm_smmu_cmdq_batch *batch)
{
	struct arm_smmu_cmd *cmds = batch->cmds;
	int first = 0, end = batch->num, i, n;
	u32 min, max;

	/*
	 * Having seen that there is one more, see where. Pairs with the fully
	 * ordered atomic_inc_return() of nr_atc_fenced.
	 */
	smp_rmb();
	min = READ_ONCE(smmu->atc_fenced_min);
	max = READ_ONCE(smmu->atc_fenced_max);

	if (arm_smmu_atc_inv_sid(&cmds[0]) > max ||
	    arm_smmu_atc_inv_sid(&cmds[end - 1]) < min)
		return;

	/* The first one from min on */
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
		if (sid > max || !__arm_smmu_atc_skip(smmu, sid))
			cmds[n++] = cmds[i];
	}
	batch->num = n;
}

/**
 * arm_smmu_atc_usable() - May the master use ATS?
 * @master: the master
 *
 * Context: Any. The answer lasts only while no flush can fail, that is, not at
 * all: for what must not be wrong see arm_smmu_atc_set_ste_qword().
 * Return: false from when the master is being fenced on until it was reset.
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
 * All stores to that word of a master's STE come through here, those on the way
 * to the target included. EATS is left out if the master is, or is about to be,
 * fenced.
 *
 * Context: Any, takes the raw spinlock of the fence.
 * Return: true if the SMMU has to be told, because the word changed, or because
 *         whoever is fencing the master has changed it, and not told it yet.
 */
bool arm_smmu_atc_set_ste_qword(struct arm_smmu_master *master, __le64 *dst,
				__le64 val)
{
	unsigned long flags;
	bool changed;

	raw_spin_lock_irqsave(&master->fence.lock, flags);
	if (master->fence.state != ARM_SMMU_ATC_OK)
		val &= ~cpu_to_le64(STRTAB_STE_1_EATS);
	/* FENCING: the SMMU may still go by the word as it was before */
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
 * A flush can take none of the mutexes that an attach holds while it writes the
 * STE, and the attach may be anywhere between two stores: take nothing but EATS
 * out of whatever the word is by now.
 *
 * As long as every store to the word is made under the lock of the fence, that
 * alone would do, and it has to with an SMMU that is not coherent: exclusives
 * and atomics on Normal Non-cacheable memory are IMPLEMENTATION DEFINED. The
 * cmpxchg does not depend on every later writer knowing about the lock.
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

/* How often to tell the SMMU of STEs, if it takes that for illegal */
#define ARM_SMMU_ATC_CFGI_TRIES		8

/*
 * Have the SMMU see the STEs of @master. When the CMD_SYNC has completed, the
 * transactions that were let through by the old STEs are done, too (IHI 0070,
 * 4.7.3), so nothing is left that could still write.
 *
 * A CMD_SYNC that completes after somebody's ATC invalidation has failed it
 * (-ETIMEDOUT) has waited for the CMD_CFGI_STE all the same. Only one that may
 * not have been executed is repeated. An SMMU that never does has to be stopped.
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
 * Not logged by the flush: it may hold locks that a console needs to get on.
 * The device is there, see arm_smmu_atc_release_master().
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
	 * An SMMU need not check CXL.cache against EATS (IHI 0070, 3.9.3), and
	 * there is nothing else that it would have to check: to take the link
	 * away is for who knows the device. All such devices have ATS always on.
	 */
	if (master->ats_always_on) {
		add_taint(TAINT_MACHINE_CHECK, LOCKDEP_STILL_OK);
		dev_emerg(master->dev,
			  "may still write by CXL.cache to memory that is not its own, reset it now\n");
	}
}

/*
 * Fence @master, or help whoever is at it. @gen is from before the CMD_ATC_INV
 * that failed was queued: if the device was reset since, that says nothing about
 * what its ATC holds now. If it has gone, its STEs may be another master's.
 *
 * Returns false if it was reset, and nothing was done.
 */
static bool arm_smmu_atc_fence(struct arm_smmu_master *master, u32 gen, u32 sid)
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
	WRITE_ONCE(fence->state, ARM_SMMU_ATC_FENCING);
	for (i = 0; i < master->num_streams; i++) {
		u32 id = master->streams[i].id;

		/* Another master's, and this one's probe is about to fail */
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
			arm_smmu_atc_widen(smmu, master->streams[i].id);
		/* Pairs with the smp_rmb() in arm_smmu_atc_filter() */
		atomic_inc_return(&smmu->nr_atc_fenced);
		fence->sid = sid;
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
 * Not if CMD_ATC_INVs of another queue can fail the CMD_SYNC of this one, as with
 * the VCMDQs of a Tegra241, or if any device was reset, has come or has gone
 * since the batch was begun.
 */
static bool arm_smmu_atc_blame_is_exact(struct arm_smmu_device *smmu,
					struct arm_smmu_cmdq_batch *batch)
{
	if (arm_smmu_has_secondary_cmdqs(smmu))
		return false;

	return atomic_read(&smmu->atc_gen) == batch->atc_gen;
}

/* How often to look what has become of somebody else's retry, and how long */
#define ARM_SMMU_ATC_LOOKS		10
#define ARM_SMMU_ATC_LOOK_US		20

/*
 * Somebody else, who has set fence->retrying, is finding out whether the device
 * answers. When it does not, a retry of our own, right behind theirs, costs
 * another hardware timeout, and so does that of everybody who has failed at the
 * same time. With M flushes the fence, as it queues up behind all of these, takes
 * 2 M timeouts and not M + 1.
 *
 * So let a CMD_SYNC tell when theirs is over. It is not waiting for them: they
 * may be what this CPU has interrupted, or their retry may not be in the queue
 * yet. If nothing has become of it after a few rounds, we retry ourselves.
 */
static void arm_smmu_atc_await_retry(struct arm_smmu_device *smmu,
				     struct arm_smmu_cmdq *cmdq,
				     struct arm_smmu_atc_fence *fence)
{
	int us;

	arm_smmu_cmdq_issue_cmdlist(smmu, cmdq, NULL, 0, true);

	for (us = 0; us < ARM_SMMU_ATC_LOOK_US; us++) {
		if (READ_ONCE(fence->state) != ARM_SMMU_ATC_OK ||
		    !READ_ONCE(fence->retrying))
			return;
		udelay(1);
	}
}

/*
 * The @n commands of @batch from @first on are all for @sid. Return when the
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
	int looks = 0;
	int ret;
	u32 gen;

	guard(rcu)();
	while (true) {
		/* Gone: its last attach has emptied its ATC, or fenced it */
		master = arm_smmu_load_master(smmu, sid);
		if (!master)
			return;
		fence = &master->fence;

		/*
		 * Acquire: neither may the retry be queued before we look, nor
		 * may the state be from before a reset that gen is from after,
		 * nor smmu->atc_gen, which a reset changes first. Pairs with
		 * the release in arm_smmu_atc_lift().
		 */
		gen = smp_load_acquire(&fence->gen);

		switch (READ_ONCE(fence->state)) {
		case ARM_SMMU_ATC_OK:
			if (blamed && arm_smmu_atc_blame_is_exact(smmu, batch))
				break;

			if (xchg(&fence->retrying, true) &&
			    looks++ < ARM_SMMU_ATC_LOOKS) {
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
			/* Whoever began it knows that it does not answer */
			break;
		default:
			return;
		}

		if (arm_smmu_atc_fence(master, gen, sid))
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
 * The SMMU does not say which of the CMD_ATC_INVs timed out. Issue those of one
 * Stream ID at a time, linearly, and fence each master that fails alone. The
 * others have answered then, and do not notice. With a single Stream ID nothing
 * is left to find out.
 *
 * A healthy endpoint may well have answered the first time, and one may have
 * answered between the error and the retry: that is as good an answer.
 *
 * The commands of a Stream ID are adjacent: the invalidation array of a domain
 * and the streams of a master are sorted. A guest's list is not, and has other
 * commands in between, which were executed or are for the guest to repeat. What
 * comes again for a Stream ID that is fenced by then is left out.
 *
 * Takes another K hardware timeouts for K of several Stream IDs that do not
 * answer, however many flushes have failed for them at once. Each sub-range of
 * @batch is issued in place: no allocation and no second array on the stack,
 * this runs wherever iommu_unmap() may be called.
 *
 * If the SMMU is switched off meanwhile there is nothing to fence: what it does
 * with DMA then does not depend on STEs.
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

/* Leave @master in @state, and let no fence that is under way go on with it */
VISIBLE_IF_KUNIT
bool arm_smmu_atc_lift(struct arm_smmu_master *master,
		       enum arm_smmu_atc_state state)
{
	struct arm_smmu_atc_fence *fence = &master->fence;
	enum arm_smmu_atc_state old;
	unsigned long flags;

	/* Fully ordered: who sees the new fence->gen, sees this one, too */
	atomic_inc_return(&master->smmu->atc_gen);

	raw_spin_lock_irqsave(&fence->lock, flags);
	old = fence->state;
	WRITE_ONCE(fence->state, state);
	/* Pairs with the acquire in arm_smmu_atc_recover_sid() */
	smp_store_release(&fence->gen, fence->gen + 1);
	raw_spin_unlock_irqrestore(&fence->lock, flags);

	if (old == ARM_SMMU_ATC_FENCED)
		atomic_dec(&master->smmu->nr_atc_fenced);
	return old != ARM_SMMU_ATC_OK;
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_atc_lift);

/**
 * arm_smmu_atc_ask() - Have a fenced master drop all that it has cached
 * @master: the master, without EATS in any of its STEs
 *
 * If it answers, its ATC is empty, and stays so until the next attach: lift the
 * fence. Otherwise it stays fenced.
 *
 * Context: Process context; no attach can be under way. May take minutes.
 * Return: true if it has answered.
 */
bool arm_smmu_atc_ask(struct arm_smmu_master *master)
{
	struct arm_smmu_device *smmu = master->smmu;
	struct arm_smmu_cmd cmd;
	int i, ret;

	for (i = 0; i < master->num_streams; i++) {
		cmd = arm_smmu_make_cmd_atc_inv_all(master->streams[i].id,
						    IOMMU_NO_PASID);
		ret = arm_smmu_cmdq_issue_cmdlist(smmu, &smmu->cmdq, &cmd, 1,
						  true);
		/* It may have been the timeout of another queue's command */
		if (ret && arm_smmu_has_secondary_cmdqs(smmu))
			ret = arm_smmu_cmdq_issue_cmdlist(smmu, &smmu->cmdq,
							  &cmd, 1, true);
		if (!ret)
			continue;
		/* A stopped SMMU asks nobody */
		if (ret != -ENODEV)
			dev_err(master->dev,
				"Stream ID 0x%x does not answer, ATS stays off until the device is reset\n",
				master->streams[i].id);
		return false;
	}
	arm_smmu_atc_lift(master, ARM_SMMU_ATC_OK);
	return true;
}

/**
 * arm_smmu_atc_reset_done() - The device of a master was reset
 * @master: the master
 *
 * It should be listening again: lift the fence if it does. What was sent to it up
 * to now says nothing about it any more; flushes that are under way find out by
 * the generations, whichever view of the domain they hold. The next attach sets
 * EATS, and enables ATS at the endpoint.
 *
 * Not every method of a reset is known to empty the ATC, so ask for it, while the
 * STEs still abort. A master that was not fenced has answered already, when it
 * was blocked for the reset. A fence that begins behind our back is for something
 * from before that.
 *
 * Context: Process context, with the group mutex held. The RID, and all PASIDs,
 * are blocked.
 */
void arm_smmu_atc_reset_done(struct arm_smmu_master *master)
{
	if (arm_smmu_atc_usable(master))
		arm_smmu_atc_lift(master, ARM_SMMU_ATC_OK);
	else if (arm_smmu_atc_ask(master))
		dev_info(master->dev, "was reset, ATS may be used again\n");
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_atc_reset_done);

/**
 * arm_smmu_atc_init_master() - Prepare a master for being fenced
 * @master: the master, not yet known to anybody else
 *
 * What was sent to its Stream IDs before is not its fault, see
 * arm_smmu_atc_blame_is_exact().
 */
void arm_smmu_atc_init_master(struct arm_smmu_master *master)
{
	/* Fully ordered: before it can be looked up */
	atomic_inc_return(&master->smmu->atc_gen);
	raw_spin_lock_init(&master->fence.lock);
	init_irq_work(&master->fence.log_work, arm_smmu_atc_log_fenced);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_atc_init_master);

/**
 * arm_smmu_atc_inherit_fence() - Fence a new master for its predecessor
 * @master: the master, not yet known to anybody else
 *
 * The master that had one of its Stream IDs last went while it was fenced. It may
 * be the same device, which was removed and found again: that empties no ATC.
 */
void arm_smmu_atc_inherit_fence(struct arm_smmu_master *master)
{
	int i;

	master->fence.state = ARM_SMMU_ATC_FENCED;
	for (i = 0; i < master->num_streams; i++)
		arm_smmu_atc_widen(master->smmu, master->streams[i].id);
	atomic_inc_return(&master->smmu->nr_atc_fenced);
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_atc_inherit_fence);

/**
 * arm_smmu_atc_release_master() - A master is about to go away
 * @master: the master, still found by its Stream IDs
 *
 * A flush may have looked it up and may go on doing so for a grace period after
 * it was taken out. It no longer touches the STEs, or the device to log it.
 *
 * Context: Process context, may sleep.
 * Return: true if it was not usable, and so its Stream IDs are not.
 */
bool arm_smmu_atc_release_master(struct arm_smmu_master *master)
{
	bool fenced = arm_smmu_atc_lift(master, ARM_SMMU_ATC_GONE);

	irq_work_sync(&master->fence.log_work);
	return fenced;
}
EXPORT_SYMBOL_IF_KUNIT(arm_smmu_atc_release_master);
