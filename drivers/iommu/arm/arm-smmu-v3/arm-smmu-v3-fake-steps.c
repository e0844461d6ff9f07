// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the cases of the suites arm-smmu-v3-atc-*-test.c are written in: modes,
 * masters of a fake SMMU, flushes of their domain, and expectations.
 *
 * Unless it says otherwise, each function is called by the thread of the case in
 * process context, and has its case skipped or failed through @test.
 *
 * Copyright (C) 2026 The ATC fence authors
 */
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "arm-smmu-v3-fake.h"

/* In one mode only, if there are more masters */
#define FAKE_FEW_MASTERS	8

/*
 * Modes and scenarios
 */

static const struct fake_mode fake_modes[] = {
	{ .name = "polled", .features = ARM_SMMU_FEAT_COHERENCY },
	{ .name = "non-coherent" },
	{ .name = "MSI", .features = ARM_SMMU_FEAT_COHERENCY,
	  .options = ARM_SMMU_OPT_MSIPOLL },
	/* The CPU sleeps in WFE while it waits for CONS */
	{ .name = "events",
	  .features = ARM_SMMU_FEAT_COHERENCY | ARM_SMMU_FEAT_SEV },
	/* Another CPU takes the error before the submitter looks */
	{ .name = "interrupt", .features = ARM_SMMU_FEAT_COHERENCY,
	  .interrupt = true },
	/* Another CPU takes it at the moment when the submitter looks, too */
	{ .name = "late interrupt", .features = ARM_SMMU_FEAT_COHERENCY,
	  .interrupt = true, .latency_us = ARM_SMMU_POLL_LATE_US },
};

KUNIT_ARRAY_PARAM_DESC(each_mode, fake_modes, name);

/* The parameter of a case that has both */
static struct {
	const struct fake_scenario *scenario;
	const struct fake_mode *mode;
} fake_now;

/**
 * fake_mode_gen_params() - Generator of a case that runs once in each mode
 * @test: the case
 * @prev: the last parameter, or NULL
 * @desc: where the name of the next one goes
 *
 * Returns: the next parameter, or NULL after the last one.
 */
const void *fake_mode_gen_params(struct kunit *test, const void *prev,
				 char *desc)
{
	return each_mode_gen_params(test, prev, desc);
}

/**
 * fake_scenario_gen_params() - Run a case once for each scenario and mode
 * @scenarios: array of scenarios
 * @num: how many there are
 * @prev: the last parameter, or NULL
 * @desc: where the name of the next one goes
 *
 * A scenario with many masters differs from others in its numbers only: it runs
 * in the first mode.
 *
 * Returns: the next parameter, or NULL after the last one.
 */
const void *fake_scenario_gen_params(const struct fake_scenario *scenarios,
				     unsigned int num, const void *prev,
				     char *desc)
{
	static unsigned int scenario, mode;

	if (!prev) {
		scenario = 0;
		mode = 0;
	}
	if (scenario == num)
		return NULL;

	fake_now.scenario = &scenarios[scenario];
	fake_now.mode = &fake_modes[mode++];
	if (mode == ARRAY_SIZE(fake_modes) ||
	    fake_now.scenario->masters > FAKE_FEW_MASTERS) {
		scenario++;
		mode = 0;
	}
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, %s",
		 fake_now.scenario->name, fake_now.mode->name);
	return &fake_now;
}

/**
 * fake_mode_of() - The mode that a case runs in
 * @test: the case
 *
 * Returns: the mode that its parameter says; the first one if it says none.
 */
const struct fake_mode *fake_mode_of(struct kunit *test)
{
	const struct fake_mode *mode = test->param_value;

	if (test->param_value == &fake_now)
		return fake_now.mode;
	if (mode >= fake_modes && mode < fake_modes + ARRAY_SIZE(fake_modes))
		return mode;
	return &fake_modes[0];
}

static struct arm_smmu_cmdq *fake_get_cmdq2(struct arm_smmu_device *smmu,
					    struct arm_smmu_cmd *cmd)
{
	return &container_of(smmu, struct fake_smmu, smmu)->cmdq2;
}

/* For fake_add_queue(): the second queue takes all that a VCMDQ takes */
const struct arm_smmu_impl_ops fake_cmdq2_ops = {
	.get_secondary_cmdq = fake_get_cmdq2,
};

/**
 * fake_run_scenario() - Attach, flush, and expect what a scenario says
 * @test: the case
 * @scenario: the scenario
 */
void fake_run_scenario(struct kunit *test,
		       const struct fake_scenario *scenario)
{
	const struct fake_range *dead = &scenario->dead;
	struct fake_smmu *fake = test->priv;
	unsigned int i;

	fake_attach_all(test, scenario->masters ?: 1, scenario->streams ?: 1,
			scenario->pasids ?: 1);
	if (scenario->cmdq2)
		fake_add_queue(test, &fake_cmdq2_ops);
	fake->smmu.options |= scenario->options;
	fake->sticky = scenario->sticky;
	fake_sid(test, 0)->late_us = scenario->late_us;
	for (i = dead->first; i < dead->first + dead->num; i++)
		fake_sid(test, i)->timeouts = scenario->timeouts ?: FAKE_DEAD;
	if (scenario->fault)
		fake_fault(test, scenario->fault_at, scenario->fault);

	fake_flush(test);
	fake_expect_counts(test, &scenario->seen);
	fake_expect_no_errs_left(test);
	fake_expect_fenced(test, scenario->fenced.first, scenario->fenced.num);
}

/**
 * fake_run_scenario_param() - The same with the parameter of the case
 * @test: a case with fake_scenario_gen_params()
 */
void fake_run_scenario_param(struct kunit *test)
{
	fake_run_scenario(test, fake_now.scenario);
}

/*
 * Masters
 */

static void fake_free_invs(void *invs)
{
	kfree(invs);
}

/**
 * fake_attach_to() - Have a domain invalidate the ATCs of some masters
 * @test: the case
 * @smmu_domain: the domain
 * @first: index of the first master
 * @num_masters: number of masters
 * @num_pasids: number of PASIDs of each Stream ID, from 0
 */
void fake_attach_to(struct kunit *test, struct arm_smmu_domain *smmu_domain,
		    unsigned int first, unsigned int num_masters,
		    unsigned int num_pasids)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i, j, pasid, num = 0;
	struct arm_smmu_invs *invs;
	struct arm_smmu_inv *inv;

	for (i = first; i < first + num_masters; i++)
		num += fake_master(test, i)->num_streams * num_pasids;
	invs = arm_smmu_invs_alloc(num);
	KUNIT_ASSERT_NOT_NULL(test, invs);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, fake_free_invs, invs));
	invs->has_ats = true;
	inv = invs->inv;

	for (i = first; i < first + num_masters; i++) {
		struct arm_smmu_master *master = fake_master(test, i);

		for (j = 0; j < master->num_streams; j++) {
			for (pasid = 0; pasid < num_pasids; pasid++) {
				inv->smmu = &fake->smmu;
				inv->type = INV_TYPE_ATS;
				inv->size_opcode = CMDQ_OP_ATC_INV;
				inv->nsize_opcode = CMDQ_OP_ATC_INV;
				inv->id = master->streams[j].id;
				inv->ssid = pasid;
				inv->users = 1;
				inv++;
			}
		}
	}
	rcu_assign_pointer(smmu_domain->invs, invs);
}

/**
 * fake_init_master() - A master without Stream IDs
 * @test: the case
 * @m: the master, zeroed
 */
void fake_init_master(struct kunit *test, struct fake_master *m)
{
	struct fake_smmu *fake = test->priv;
	static unsigned int seq;

	/* No earlier line of the kernel log has this name */
	snprintf(m->name, sizeof(m->name), "fake.%u", seq++);
	m->dev.init_name = m->name;
	m->dev.iommu = &m->dev_iommu;
	m->dev_iommu.priv = &m->master;
	m->master.smmu = &fake->smmu;
	m->master.dev = &m->dev;
	m->master.cd_table.cdtab_dma = FAKE_CDTAB_DMA;
	m->master.cd_table.s1fmt = STRTAB_STE_0_S1FMT_64K_L2;
	m->master.cd_table.s1cdmax = 4;
	arm_smmu_atc_init_master(&m->master);
}

/**
 * fake_add_master() - Have another master
 * @test: the case
 * @num_streams: number of its Stream IDs, that no other master has
 */
void fake_add_master(struct kunit *test, unsigned int num_streams)
{
	struct fake_smmu *fake = test->priv;
	struct fake_master *m = &fake->masters[fake->num_masters];
	unsigned int i;

	KUNIT_ASSERT_LT(test, fake->num_masters, FAKE_MAX_MASTERS);
	KUNIT_ASSERT_LE(test, num_streams, ARRAY_SIZE(m->streams));
	fake_init_master(test, m);
	m->master.streams = m->streams;
	m->master.num_streams = num_streams;

	for (i = 0; i < num_streams; i++) {
		u32 sid = FAKE_FIRST_SID + fake->num_sids++;

		m->streams[i].id = sid;
		KUNIT_ASSERT_EQ(test, 0,
				xa_err(xa_store(&fake->smmu.streams, sid,
						&m->master, GFP_KERNEL)));
	}
	WRITE_ONCE(fake->num_masters, fake->num_masters + 1);
}

/**
 * fake_attach_all() - Have masters that are attached to the domain
 * @test: the case
 * @num_masters: number of masters
 * @num_streams: number of Stream IDs of each master
 * @num_pasids: number of PASIDs of each Stream ID
 */
void fake_attach_all(struct kunit *test, unsigned int num_masters,
		     unsigned int num_streams, unsigned int num_pasids)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i;

	for (i = 0; i < num_masters; i++)
		fake_add_master(test, num_streams);
	fake_attach_to(test, &fake->domain, 0, num_masters, num_pasids);
}

/**
 * fake_attach() - The same, with one Stream ID and one PASID each
 * @test: the case
 * @num_masters: number of masters
 */
void fake_attach(struct kunit *test, unsigned int num_masters)
{
	fake_attach_all(test, num_masters, 1, 1);
}

/**
 * fake_store_stes() - Store EATS in the STEs of a master, as an attach does
 * @fake: the SMMU
 * @master: the master
 *
 * Context: Any. Takes fence.lock of @master.
 *
 * Returns: whether any word was to be told to the SMMU.
 */
bool fake_store_stes(struct fake_smmu *fake, struct arm_smmu_master *master)
{
	__le64 word = cpu_to_le64(FAKE_STE_WORD_EATS);
	bool changed = false;
	unsigned int i;

	for (i = 0; i < master->num_streams; i++) {
		struct arm_smmu_ste *ste =
			fake_ste(fake, master->streams[i].id);

		changed |= arm_smmu_atc_set_ste_qword(master, &ste->data[1],
						      word);
	}
	return changed;
}

/**
 * fake_reset() - A device is reset: it answers again, and its ATC is empty
 * @fake: the SMMU
 * @master: its master
 *
 * The ATC is emptied after the fence was lifted: EATS is 0 until the next attach.
 *
 * Context: Any. Takes fence.lock of @master.
 */
void fake_reset(struct fake_smmu *fake, struct arm_smmu_master *master)
{
	unsigned int i, j;

	for (i = 0; i < master->num_streams; i++)
		WRITE_ONCE(fake->sids[master->streams[i].id].timeouts, 0);
	arm_smmu_atc_reset_done(master, 0);
	for (i = 0; i < master->num_streams; i++)
		for (j = 0; j < 64; j++)
			clear_bit(j, fake->sids[master->streams[i].id].cached);
}

/**
 * fake_reset_and_attach() - Reset a device and allow ATS again, as the core does
 * @test: the case
 * @i: index of the master
 *
 * fake_count_lines() does not count earlier lines any more.
 */
void fake_reset_and_attach(struct kunit *test, unsigned int i)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_master *master = fake_master(test, i);
	unsigned int j;

	kmsg_dump_rewind(&fake->kmsg);
	fake_reset(fake, master);
	fake_store_stes(fake, master);
	for (j = 0; j < master->num_streams; j++)
		fake->sids[master->streams[j].id].eats = true;
}

/**
 * fake_begin_fence() - The first half of a fence, which is made in memory
 * @test: the case
 * @i: index of the master
 */
void fake_begin_fence(struct kunit *test, unsigned int i)
{
	struct arm_smmu_master *master = fake_master(test, i);
	struct fake_smmu *fake = test->priv;
	unsigned int j;

	guard(raw_spinlock_irqsave)(&master->fence.lock);
	WRITE_ONCE(master->fence.state, ARM_SMMU_ATC_FENCING);
	master->fence.timed_out = true;
	master->fence.sid = master->streams[0].id;
	for (j = 0; j < master->num_streams; j++)
		arm_smmu_atc_clear_eats(&fake->smmu,
					fake_ste(fake, master->streams[j].id));
}

/*
 * Commands and flushes
 */

/**
 * fake_cpu_or_skip() - Skip a case for which the fake SMMU has to consume commands
 * @test: the case, skipped if there is one CPU only
 */
void fake_cpu_or_skip(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	if (!fake->running)
		kunit_skip(test, "the fake SMMU needs a CPU of its own");
}

static int fake_issue(struct kunit *test, struct arm_smmu_cmd *cmds, int n,
		      bool sync)
{
	struct fake_smmu *fake = test->priv;

	fake_cpu_or_skip(test);
	return arm_smmu_cmdq_issue_cmdlist(&fake->smmu, &fake->smmu.cmdq, cmds,
					   n, sync);
}

/**
 * fake_issue_tlbi() - Issue commands that no device has to answer
 * @test: the case
 * @n: how many
 * @sync: with a CMD_SYNC, that is waited for
 *
 * Context: Any thread of the case.
 *
 * Returns: what the driver returns.
 */
int fake_issue_tlbi(struct kunit *test, int n, bool sync)
{
	struct arm_smmu_cmd cmds[CMDQ_BATCH_ENTRIES];
	int i;

	for (i = 0; i < n; i++)
		cmds[i] = arm_smmu_make_cmd_tlbi(CMDQ_OP_TLBI_NH_ASID, i, 0);
	return fake_issue(test, cmds, n, sync);
}

/**
 * fake_issue_atc_inv() - Issue a CMD_ATC_INV and wait for its CMD_SYNC
 * @test: the case
 * @i: index of the Stream ID
 *
 * Returns: what the driver returns.
 */
int fake_issue_atc_inv(struct kunit *test, unsigned int i)
{
	struct arm_smmu_cmd cmd =
		arm_smmu_make_cmd_atc_inv_all(FAKE_FIRST_SID + i, 0);

	return fake_issue(test, &cmd, 1, true);
}

/**
 * fake_issue_batch() - The first half of a flush: submit a batch
 * @test: the case
 * @n: number of Stream IDs
 *
 * Returns: what the driver returns.
 */
int fake_issue_batch(struct kunit *test, int n)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_cmdq_batch *batch = &fake->batch;
	int i;

	fake_cpu_or_skip(test);
	batch->cmdq = &fake->smmu.cmdq;
	batch->atc_gen = atomic_read(&fake->smmu.atc_gen);
	batch->num = n;
	for (i = 0; i < n; i++) {
		batch->cmds[i] =
			arm_smmu_make_cmd_atc_inv_all(FAKE_FIRST_SID + i, 0);
		set_bit(FAKE_CACHED_BIT(0, 0), fake_sid(test, i)->cached);
	}
	return fake_issue(test, batch->cmds, n, true);
}

/**
 * fake_fail_batch() - Submit a batch that times out, and begin the log after it
 * @test: the case
 * @n: number of Stream IDs; the first does not answer, permanently if the case
 *	has not set fake_sid.timeouts
 */
void fake_fail_batch(struct kunit *test, int n)
{
	if (!fake_sid(test, 0)->timeouts)
		fake_kill(test, 0);
	KUNIT_ASSERT_EQ(test, -ETIMEDOUT, fake_issue_batch(test, n));
	fake_forget_log(test);
}

/**
 * fake_recover() - The second half of a flush whose batch has failed
 * @test: the case
 * @error: what the batch has failed with
 */
void fake_recover(struct kunit *test, int error)
{
	struct fake_smmu *fake = test->priv;

	arm_smmu_atc_recover(&fake->smmu, &fake->batch, error);
	fake_expect_no_escape(test);
}

/**
 * fake_fault() - Have the queue stop once
 * @test: the case
 * @nth: number of commands that are consumed before
 * @err: CMDQ_ERR_CERROR_*
 */
void fake_fault(struct kunit *test, unsigned int nth, u32 err)
{
	struct fake_smmu *fake = test->priv;

	fake->fault_at = fake->log_num + nth;
	fake->fault = err;
}

/* Devices have a translation that a flush is to remove: set or find its bits */
static void fake_cache(struct fake_smmu *fake,
		       struct arm_smmu_domain *smmu_domain, unsigned int flush)
{
	struct arm_smmu_invs *invs =
		rcu_dereference_protected(smmu_domain->invs, true);
	unsigned int i;

	for (i = 0; i < invs->num_invs; i++) {
		struct arm_smmu_inv *inv = &invs->inv[i];

		set_bit(FAKE_CACHED_BIT(flush, inv->ssid),
			fake->sids[inv->id].cached);
	}
}

/*
 * Can any device use what @flush was to remove? First EATS, then the ATC: a reset
 * empties the ATC before EATS is set again.
 */
static bool fake_has_escaped(struct fake_smmu *fake,
			     struct arm_smmu_domain *smmu_domain,
			     unsigned int flush)
{
	struct arm_smmu_invs *invs =
		rcu_dereference_protected(smmu_domain->invs, true);
	bool escaped = false;
	unsigned int i;

	for (i = 0; i < invs->num_invs; i++) {
		struct arm_smmu_inv *inv = &invs->inv[i];
		struct fake_sid *s = &fake->sids[inv->id];

		/* Pairs with the release in fake_consume_sync() */
		if (smp_load_acquire(&s->eats) &&
		    test_bit(FAKE_CACHED_BIT(flush, inv->ssid), s->cached))
			escaped = true;
	}
	return escaped;
}

/**
 * fake_flush_escapes() - Flush what the devices of a domain have cached
 * @fake: the SMMU
 * @smmu_domain: the domain
 * @flush: which of the flushes that run at the same time
 *
 * Context: Any that iommu_unmap() may be called in.
 *
 * Returns: whether a device can still use what the flush was to remove.
 */
bool fake_flush_escapes(struct fake_smmu *fake,
			struct arm_smmu_domain *smmu_domain,
			unsigned int flush)
{
	fake_cache(fake, smmu_domain, flush);
	arm_smmu_domain_inv_range(smmu_domain, FAKE_FLUSH_IOVA(flush), SZ_4K,
				  SZ_4K, true);
	return fake_has_escaped(fake, smmu_domain, flush);
}

/**
 * fake_flush() - Flush the domain of the case; no device may escape
 * @test: the case
 *
 * Context: Any that iommu_unmap() may be called in.
 */
void fake_flush(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_cpu_or_skip(test);
	fake_flush_escapes(fake, &fake->domain, 0);
	fake_expect_no_escape(test);
}

/**
 * fake_fence() - Have a flush fence a device, and begin the log after it
 * @test: the case
 * @i: index of the Stream ID that does not answer any more
 */
void fake_fence(struct kunit *test, unsigned int i)
{
	fake_kill(test, i);
	fake_flush(test);
	fake_forget_log(test);
}

/*
 * Threads
 */

static int fake_run_thread(void *data)
{
	struct fake_thread *thread = data;

	thread->ret = thread->fn(thread);
	/* The module may be unloaded as soon as this is known */
	kthread_complete_and_exit(&thread->done, 0);
}

/**
 * fake_run() - Run threads at the same time, each on a CPU of its own
 * @test: the case, skipped if there are too few CPUs
 * @threads: where they are described
 * @num: how many at the most
 * @least: how many the case needs
 * @fn: what the first thread does
 * @others: what the others do
 *
 * Returns: how many threads have run. All of them have ended.
 */
unsigned int fake_run(struct kunit *test, struct fake_thread *threads,
		      unsigned int num, unsigned int least,
		      int (*fn)(struct fake_thread *thread),
		      int (*others)(struct fake_thread *thread))
{
	struct fake_smmu *fake = test->priv;
	unsigned int i = 0, cpu;

	fake_cpu_or_skip(test);
	if (num_online_cpus() < least + 1)
		kunit_skip(test, "needs %u CPUs, with that of the fake SMMU",
			   least + 1);

	for_each_online_cpu(cpu) {
		struct fake_thread *thread = &threads[i];

		if (cpu == fake->cpu || i == num)
			continue;

		thread->test = test;
		thread->fn = i ? others : fn;
		thread->id = i;
		thread->ret = 0;
		init_completion(&thread->done);
		thread->task = kthread_create(fake_run_thread, thread,
					      "fake/%u", i);
		KUNIT_EXPECT_NOT_ERR_OR_NULL(test, thread->task);
		if (IS_ERR(thread->task))
			break;
		kthread_bind(thread->task, cpu);
		i++;
	}
	num = i;
	/* The first has our CPU, and may keep it until it is done */
	while (i--)
		wake_up_process(threads[i].task);
	for (i = 0; i < num; i++)
		wait_for_completion(&threads[i].done);
	return num;
}

/**
 * fake_flush_thread() - Flush the domain of the case, at an address of its own
 * @thread: the thread
 *
 * Returns: whether a device can still use what the flush was to remove.
 */
int fake_flush_thread(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;

	return fake_flush_escapes(fake, &fake->domain, thread->id);
}

/*
 * What was seen
 */

/**
 * fake_forget_log() - Begin the log after the commands that were issued so far
 * @test: the case
 */
void fake_forget_log(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_settle(fake);
	fake->log_num = 0;
	fake->errors = 0;
}

/**
 * fake_count() - Count the commands in the log
 * @test: the case
 * @op: their opcode
 *
 * Returns: how many there are.
 */
unsigned int fake_count(struct kunit *test, u8 op)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i, n = 0;

	for (i = 0; i < fake->log_num; i++)
		n += fake_log_op(fake, i) == op;
	return n;
}

/**
 * fake_count_atc_inv() - Count the CMD_ATC_INVs of a Stream ID in the log
 * @test: the case
 * @i: index of the Stream ID
 *
 * Returns: how many there are.
 */
unsigned int fake_count_atc_inv(struct kunit *test, unsigned int i)
{
	struct fake_smmu *fake = test->priv;
	unsigned int j, n = 0;

	for (j = 0; j < fake->log_num; j++) {
		u64 data = fake->log[j].cmd.data[0];

		n += fake_log_op(fake, j) == CMDQ_OP_ATC_INV &&
		     FIELD_GET(CMDQ_ATC_0_SID, data) == FAKE_FIRST_SID + i;
	}
	return n;
}

/**
 * fake_count_log() - Count the lines of the kernel log about a device
 * @test: the case
 * @dev: the device
 * @what: text that they begin with
 *
 * Returns: how many there are.
 */
unsigned int fake_count_log(struct kunit *test, const struct device *dev,
			    const char *what)
{
	struct fake_smmu *fake = test->priv;
	struct kmsg_dump_iter iter = fake->kmsg;
	char text[128], line[256];
	unsigned int n = 0;
	size_t len;

	kmsg_dump_rewind(&iter);
	iter.cur_seq = max(iter.cur_seq, fake->kmsg.next_seq);
	snprintf(text, sizeof(text), "%s: %s", dev_name(dev), what);
	while (kmsg_dump_get_line(&iter, false, line, sizeof(line) - 1, &len)) {
		line[len] = '\0';
		n += !!strstr(line, text);
	}
	return n;
}

/**
 * fake_count_lines() - Count the lines of the kernel log about a master
 * @test: the case
 * @i: index of the master
 * @what: text that they begin with
 *
 * Returns: how many there are.
 */
unsigned int fake_count_lines(struct kunit *test, unsigned int i,
			      const char *what)
{
	struct fake_smmu *fake = test->priv;

	irq_work_sync(&fake->masters[i].master.fence.log_work);
	return fake_count_log(test, &fake->masters[i].dev, what);
}

/**
 * fake_count_reports() - Count the reports that a master is fenced
 * @test: the case
 * @i: index of the master
 *
 * Returns: how many there are.
 */
unsigned int fake_count_reports(struct kunit *test, unsigned int i)
{
	return fake_count_lines(test, i, "ATC invalidation was not answered");
}

/*
 * What is expected
 */

/**
 * fake_expect_counts() - Expect numbers of commands and errors in the log
 * @test: the case
 * @seen: the numbers
 */
void fake_expect_counts(struct kunit *test, const struct fake_seen *seen)
{
	struct fake_smmu *fake = test->priv;

	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_ATC_INV),
			seen->atc_invs);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_CFGI_STE),
			seen->cfgi_stes);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_TLBI_NH_ASID),
			seen->tlbis);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_CMD_SYNC), seen->syncs);
	KUNIT_EXPECT_EQ(test, fake->errors, seen->errors);
}

/**
 * fake_expect_no_escape() - Expect that no device can use what it has cached
 * @test: the case
 *
 * Context: Any that iommu_unmap() may be called in.
 */
void fake_expect_no_escape(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i;

	if (!fake_is_translating(fake))
		return;
	for (i = 0; i < fake->num_sids; i++) {
		struct fake_sid *s = fake_sid(test, i);

		KUNIT_EXPECT_FALSE_MSG(test, s->eats &&
				       !bitmap_empty(s->cached, 64),
				       "Stream ID %u escaped: PASIDs %*pbl", i,
				       64, s->cached);
	}
}

/**
 * fake_expect_no_errs_left() - Expect that the queues hold no record of an error
 * @test: the case
 */
void fake_expect_no_errs_left(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i;

	for (i = 0; i < fake->num_queues; i++) {
		struct arm_smmu_cmdq *cmdq = fake->queues[i].cmdq;

		KUNIT_EXPECT_EQ(test, cmdq->nr_errs, 0);
		KUNIT_EXPECT_TRUE(test, bitmap_empty(cmdq->err_map,
						     2 * FAKE_Q_ENTS));
	}
}

/**
 * fake_expect_state() - Expect the state of a fence
 * @test: the case
 * @i: index of the master
 * @state: the state
 */
void fake_expect_state(struct kunit *test, unsigned int i,
		       enum arm_smmu_atc_state state)
{
	KUNIT_EXPECT_EQ(test, fake_master(test, i)->fence.state, state);
}

/**
 * fake_expect_words() - Expect the STEs of a master in memory
 * @test: the case
 * @master: the master
 * @word: the word that has EATS; the others are FAKE_STE_WORD
 */
void fake_expect_words(struct kunit *test, struct arm_smmu_master *master,
		       u64 word)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i, j;

	for (i = 0; i < master->num_streams; i++) {
		struct arm_smmu_ste *ste =
			fake_ste(fake, master->streams[i].id);

		for (j = 0; j < ARRAY_SIZE(ste->data); j++)
			KUNIT_EXPECT_EQ(test, le64_to_cpu(ste->data[j]),
					j == 1 ? word : FAKE_STE_WORD);
	}
}

static void fake_expect_fenced_one(struct kunit *test, unsigned int i)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_master *master = fake_master(test, i);
	unsigned int j;

	fake_expect_state(test, i, ARM_SMMU_ATC_FENCED);
	fake_expect_words(test, master, FAKE_STE_WORD_FENCED);
	for (j = 0; j < master->num_streams; j++)
		KUNIT_EXPECT_FALSE(test,
				   fake->sids[master->streams[j].id].eats);
	if (IS_ENABLED(CONFIG_PRINTK))
		KUNIT_EXPECT_EQ(test, fake_count_reports(test, i), 1);
}

/**
 * fake_expect_usable() - Expect that a master may use ATS, and was never fenced
 * @test: the case
 * @i: index of the master
 */
void fake_expect_usable(struct kunit *test, unsigned int i)
{
	fake_expect_state(test, i, ARM_SMMU_ATC_OK);
	fake_expect_words(test, fake_master(test, i), FAKE_STE_WORD_EATS);
	KUNIT_EXPECT_EQ(test, fake_count_reports(test, i), 0);
}

/**
 * fake_expect_fenced() - Expect that some masters are fenced, and the others not
 * @test: the case
 * @first: index of the first that is fenced
 * @num: how many are
 */
void fake_expect_fenced(struct kunit *test, unsigned int first,
			unsigned int num)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i;

	for (i = 0; i < fake->num_masters; i++)
		if (i >= first && i < first + num)
			fake_expect_fenced_one(test, i);
		else
			fake_expect_usable(test, i);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced), num);
}

/**
 * fake_expect_none_fenced() - Expect that all masters may use ATS
 * @test: the case
 */
void fake_expect_none_fenced(struct kunit *test)
{
	fake_expect_fenced(test, 0, 0);
}
