// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fake SMMU: some memory for the registers, the command queues and the stream
 * table, and a timer that consumes the queues as IHI 0070 demands of the
 * hardware (4.7.3 for CMD_SYNC, 7.1 for errors). The driver's own functions fill
 * the queues, wait for them, find their errors, and recover. Before each command
 * the fake checks the invariants of the fence, see fake_check_master().
 *
 * What this is not: a test of memory barriers, or of what an endpoint does with
 * its ATC. The fake makes no transactions. Nor are there interrupts: the driver
 * has to find an error by itself, unless the mode says otherwise. Attach and
 * detach of a PASID need more of a device than there is here.
 *
 * Copyright (C) 2026 The ATC fence authors
 */
#include <kunit/device.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/smp.h>

#include "arm-smmu-v3-fake.h"

#define FAKE_Q_DMA		0x100000 /* where the SMMU has the queue */
#define FAKE_LOG_ENTS		4096
#define FAKE_TICK_NS		(20 * NSEC_PER_USEC)
/* The timer polls for so long after a command, and lets its CPU go after that */
#define FAKE_LINGER_US		100
#define FAKE_BUSY_US		2000

/* How long the fake SMMU waits for an answer; PCIe demands a minute */
#define FAKE_ATC_TIMEOUT_US	50
/* How long an update of GBPA takes */
#define FAKE_GBPA_US		200

/* Where the registers of a second queue are */
#define FAKE_VCMDQ_GERROR	0x800
#define FAKE_VCMDQ_PROD		0x810

/**
 * fake_complain() - Have the case fail at its end
 * @fake: the SMMU
 * @complaint: what the driver did wrong
 *
 * Only the first complaint counts: others follow from it.
 *
 * Context: Any.
 */
void fake_complain(struct fake_smmu *fake, const char *complaint)
{
	cmpxchg(&fake->complaint, NULL, complaint);
}

static bool fake_is_aborting(struct fake_smmu *fake)
{
	u32 gbpa = READ_ONCE(fake->gbpa);

	return gbpa & GBPA_ABORT && !(gbpa & GBPA_UPDATE);
}

/**
 * fake_is_translating() - Does any transaction pass the SMMU?
 * @fake: the SMMU
 *
 * Context: Any.
 *
 * Returns: false when GBPA has all transactions aborted.
 */
bool fake_is_translating(struct fake_smmu *fake)
{
	return readl(fake->smmu.base + ARM_SMMU_CR0ACK) & CR0_SMMUEN ||
	       !fake_is_aborting(fake);
}

static bool fake_is_on(struct fake_smmu *fake)
{
	return readl(fake->smmu.base + ARM_SMMU_CR0ACK) & CR0_CMDQEN;
}

/**
 * fake_switch() - Switch the SMMU and its command queues on or off
 * @fake: the SMMU
 * @on: which of them
 *
 * Context: Any. No command may be in a queue.
 */
void fake_switch(struct fake_smmu *fake, bool on)
{
	u32 cr0 = on ? CR0_CMDQEN | CR0_SMMUEN : 0;

	writel(cr0, fake->smmu.base + ARM_SMMU_CR0);
	writel(cr0, fake->smmu.base + ARM_SMMU_CR0ACK);
}

/* GBPA changes only with UPDATE set, and UPDATE is cleared some time later */
static void fake_serve_gbpa(struct fake_smmu *fake)
{
	u32 __iomem *reg = fake->smmu.base + ARM_SMMU_GBPA;
	u32 gbpa = readl(reg);

	if (gbpa != fake->gbpa) {
		if (fake->gbpa & GBPA_UPDATE)
			fake_complain(fake, "GBPA: written during an update");
		if (!(gbpa & GBPA_UPDATE)) {
			writel(fake->gbpa, reg);
			return;
		}
		WRITE_ONCE(fake->gbpa, gbpa);
		fake->gbpa_done = max(ktime_add_us(ktime_get(), FAKE_GBPA_US),
				      fake->gbpa_busy_until);
	}
	if (fake->gbpa & GBPA_UPDATE &&
	    ktime_after(ktime_get(), fake->gbpa_done)) {
		WRITE_ONCE(fake->gbpa, gbpa & ~GBPA_UPDATE);
		writel(fake->gbpa, reg);
	}
}

/* What has been written to the registers takes effect */
static void fake_serve_registers(struct fake_smmu *fake)
{
	u32 cr0ack = readl(fake->smmu.base + ARM_SMMU_CR0ACK);
	u32 cr0 = readl(fake->smmu.base + ARM_SMMU_CR0);

	writel(readl(fake->smmu.base + ARM_SMMU_IRQ_CTRL),
	       fake->smmu.base + ARM_SMMU_IRQ_CTRLACK);
	fake_serve_gbpa(fake);
	if (cr0 == cr0ack || fake->smmuen_stuck)
		return;
	if (cr0ack & ~cr0 & CR0_SMMUEN && !fake_is_aborting(fake))
		fake_complain(fake, "SMMUEN: cleared while GBPA does not abort");
	writel(cr0, fake->smmu.base + ARM_SMMU_CR0ACK);
}

/**
 * fake_check_gerrorn() - Complain if the driver has changed GERRORN
 * @queue: the queue that it belongs to
 *
 * Context: That of the timer, or that of the case when no command is in @queue.
 */
void fake_check_gerrorn(struct fake_queue *queue)
{
	u32 gerrorn = readl(queue->cmdq->gerrorn_reg);

	if (gerrorn != queue->gerrorn)
		fake_complain(queue->fake,
			      "GERRORN: no such error was active");
	queue->gerrorn = gerrorn;
}

/* Wait until @until, unless the case is over */
static void fake_wait(struct fake_smmu *fake, ktime_t until)
{
	while (ktime_before(ktime_get(), until) && !READ_ONCE(fake->stopping))
		fake_serve_registers(fake);
}

/* Stop at the current command, until the error is acknowledged */
static void fake_raise(struct fake_queue *queue, u32 err)
{
	struct fake_smmu *fake = queue->fake;
	struct arm_smmu_cmdq *cmdq = queue->cmdq;
	static bool was_unseen;
	ktime_t unseen;
	u32 active;

	/* A driver that did not look once will not look the next time */
	unseen = ktime_add_ms(ktime_get(),
			      was_unseen ? FAKE_UNSEEN_MS / 100 :
					   FAKE_UNSEEN_MS);
	fake->errors++;
	fake_check_gerrorn(queue);
	writel(queue->cons | FIELD_PREP(CMDQ_CONS_ERR, err), cmdq->q.cons_reg);
	writel(readl(cmdq->gerror_reg) ^ GERROR_CMDQ_ERR, cmdq->gerror_reg);

	if (fake->on_error)
		fake->on_error(fake);
	if (fake->mode->interrupt) {
		udelay(fake->mode->latency_us);
		arm_smmu_cmdq_take_error(&fake->smmu, cmdq);
	}

	do {
		cpu_relax();
		if (ktime_after(ktime_get(), unseen)) {
			fake_complain(fake, "the driver has not looked for the error");
			was_unseen = true;
			arm_smmu_cmdq_take_error(&fake->smmu, cmdq);
		}
		active = readl(cmdq->gerror_reg) ^ readl(cmdq->gerrorn_reg);
	} while (active & GERROR_CMDQ_ERR && !READ_ONCE(fake->stopping));

	queue->gerrorn ^= GERROR_CMDQ_ERR;
	fake_check_gerrorn(queue);
	/* A caller that comes too late for an error must not change anything */
	arm_smmu_cmdq_take_error(&fake->smmu, cmdq);
	fake_check_gerrorn(queue);

	/* CMDQ_CONS.ERR is UNKNOWN now: a driver must not rely on it */
	writel(queue->cons |
	       FIELD_PREP(CMDQ_CONS_ERR, CMDQ_ERR_CERROR_ILL_IDX),
	       cmdq->q.cons_reg);
}

static void fake_consume_atc_inv(struct fake_smmu *fake,
				 const struct arm_smmu_cmd *cmd)
{
	struct fake_atc_inv *inv = &fake->atc_invs[fake->num_atc_invs++];
	u64 flush = (cmd->data[1] & CMDQ_ATC_1_ADDR_MASK) / SZ_4K;
	struct fake_sid *s;

	inv->sid = FIELD_GET(CMDQ_ATC_0_SID, cmd->data[0]);
	inv->bit = FAKE_CACHED_BIT(flush % FAKE_MAX_THREADS,
				   FIELD_GET(CMDQ_ATC_0_SSID, cmd->data[0]));
	s = &fake->sids[inv->sid];
	inv->unanswered = READ_ONCE(s->timeouts);
	inv->answer = ktime_add_us(ktime_get(), s->late_us);
}

static void fake_consume_cfgi_ste(struct fake_smmu *fake,
				  const struct arm_smmu_cmd *cmd)
{
	u32 sid = FIELD_GET(CMDQ_CFGI_0_SID, cmd->data[0]);
	struct arm_smmu_ste *ste = fake_ste(fake, sid);
	struct fake_sid *s = &fake->sids[sid];
	unsigned int i;

	s->cfgi = true;
	for (i = 0; i < ARRAY_SIZE(ste->data); i++)
		s->cfgi_ste.data[i] = READ_ONCE(ste->data[i]);
}

/* Forget the CMD_ATC_INVs that the error was reported for */
static void fake_drop_unanswered(struct fake_smmu *fake)
{
	unsigned int i, left = 0;
	bool dropped = false;
	u32 sid = 0;

	for (i = 0; i < fake->num_atc_invs; i++) {
		struct fake_atc_inv *inv = &fake->atc_invs[i];
		struct fake_sid *s = &fake->sids[inv->sid];
		unsigned int timeouts;

		if (!inv->unanswered || (dropped && fake->one_at_a_time)) {
			fake->atc_invs[left++] = *inv;
			continue;
		}

		/* Once for each Stream ID, whatever the number of commands */
		timeouts = READ_ONCE(s->timeouts);
		if (!dropped || inv->sid != sid)
			if (timeouts && timeouts != FAKE_DEAD)
				cmpxchg(&s->timeouts, timeouts, timeouts - 1);
		dropped = true;
		sid = inv->sid;
	}
	fake->num_atc_invs = left;
}

/* Returns whether it has completed; otherwise it is fetched again */
static bool fake_consume_sync(struct fake_queue *queue)
{
	struct fake_smmu *fake = queue->fake;
	bool unanswered = false;
	unsigned int i;

	for (i = 0; i < fake->num_atc_invs; i++) {
		struct fake_atc_inv *inv = &fake->atc_invs[i];

		if (inv->unanswered)
			unanswered = true;
		else
			fake_wait(fake, inv->answer);
	}
	if (unanswered) {
		udelay(FAKE_ATC_TIMEOUT_US);
		fake_raise(queue, CMDQ_ERR_CERROR_ATC_INV_IDX);
		if (fake->sticky)
			fake->sticky--;
		else
			fake_drop_unanswered(fake);
		return false;
	}

	for (i = 0; i < fake->num_atc_invs; i++) {
		struct fake_atc_inv *inv = &fake->atc_invs[i];

		clear_bit(inv->bit, fake->sids[inv->sid].cached);
	}
	fake->num_atc_invs = 0;

	for (i = 0; i < FAKE_FIRST_SID + fake->num_sids; i++) {
		struct fake_sid *s = &fake->sids[i];

		if (s->cfgi) {
			s->ste = s->cfgi_ste;
			/* After the ATC was emptied: fake_has_escaped() */
			smp_store_release(&s->eats, fake_ste_has_eats(&s->ste));
		}
		s->cfgi = false;
	}
	return true;
}

/*
 * Two invariants: no STE of a master that is fenced, or about to be, has EATS;
 * and FENCED is set only after the SMMU has consumed such an STE.
 */
static void fake_check_master(struct fake_smmu *fake,
			      struct arm_smmu_master *master)
{
	enum arm_smmu_atc_state state;
	unsigned int i;

	guard(raw_spinlock_irqsave)(&master->fence.lock);
	/* Not stable only if a case writes it without the lock */
	state = READ_ONCE(master->fence.state);
	if (state == ARM_SMMU_ATC_OK || state == ARM_SMMU_ATC_GONE)
		return;

	for (i = 0; i < master->num_streams; i++) {
		u32 sid = master->streams[i].id;

		/* It belongs to another master, see the case alias */
		if (xa_load(&fake->smmu.streams, sid) != master)
			continue;
		if (fake_ste_has_eats(fake_ste(fake, sid)))
			fake_complain(fake, "EATS of a master to be fenced");
		if (state == ARM_SMMU_ATC_FENCED &&
		    fake->sids[sid].eats)
			fake_complain(fake, "fenced in memory only");
	}
}

static void fake_check(struct fake_smmu *fake)
{
	unsigned int i;

	for (i = 0; i < READ_ONCE(fake->num_masters); i++)
		fake_check_master(fake, &fake->masters[i].master);
}

static void fake_log(struct fake_queue *queue, const struct arm_smmu_cmd *cmd)
{
	struct fake_smmu *fake = queue->fake;

	fake->log[fake->log_num].cmd = *cmd;
	fake->log[fake->log_num].cmdq = queue->cmdq;
	if (++fake->log_num < FAKE_LOG_ENTS)
		return;

	fake->log_num = 0;
	if (fake->endless)
		return;
	/* No case needs so many: end a loop of the driver instead of hanging */
	fake_complain(fake, "the driver does not come to an end");
	fake_switch(fake, false);
}

static void fake_consume(struct fake_queue *queue)
{
	struct fake_smmu *fake = queue->fake;
	struct arm_smmu_queue *q = &queue->cmdq->q;
	u32 idx = Q_IDX(&q->llq, queue->cons);
	__le64 *ent = Q_ENT(q, idx);
	struct arm_smmu_cmd cmd;
	u32 fault = fake->fault;
	u8 op;

	cmd.data[0] = le64_to_cpu(READ_ONCE(ent[0]));
	cmd.data[1] = le64_to_cpu(READ_ONCE(ent[1]));
	op = fake_cmd_op(&cmd);

	if (cmd.data[0] == FAKE_POISON)
		fake_complain(fake, "PROD is past a slot that was not written");
	if (fault && fake->log_num == fake->fault_at) {
		fake->fault = 0;
		fake_raise(queue, fault);
		return;
	}
	if (fake->before_cmd)
		fake->before_cmd(fake, &cmd);
	fake_check(fake);
	if (fake->failed)
		return;

	switch (op) {
	case CMDQ_OP_ATC_INV:
		fake_consume_atc_inv(fake, &cmd);
		break;
	case CMDQ_OP_CFGI_STE:
		fake_consume_cfgi_ste(fake, &cmd);
		break;
	case CMDQ_OP_CMD_SYNC:
		if (!fake_consume_sync(queue))
			return;
		break;
	}

	fake_log(queue, &cmd);
	WRITE_ONCE(ent[0], cpu_to_le64(FAKE_POISON));
	queue->cons = (queue->cons + 1) & (2 * FAKE_Q_ENTS - 1);
	writel(queue->cons |
	       FIELD_PREP(CMDQ_CONS_ERR, CMDQ_ERR_CERROR_ILL_IDX), q->cons_reg);

	if (op == CMDQ_OP_CMD_SYNC &&
	    FIELD_GET(CMDQ_SYNC_0_CS, cmd.data[0]) == CMDQ_SYNC_0_CS_IRQ) {
		if ((cmd.data[1] & CMDQ_SYNC_1_MSIADDR_MASK) !=
		    q->base_dma + idx * sizeof(cmd))
			fake_complain(fake, "the MSI is not for the CMD_SYNC");
		fake_wait(fake, ktime_add_us(ktime_get(), fake->late_msi_us));
		/* As an MSI: what the SMMU did before it is visible */
		smp_store_release((u32 *)ent, 0);
	}
}

static bool fake_may_consume(struct fake_smmu *fake)
{
	if (!fake_is_on(fake) || READ_ONCE(fake->stopping) ||
	    ktime_before(ktime_get(), READ_ONCE(fake->hung_until)))
		return false;

	if (fake->failed && !READ_ONCE(fake->smmu.stopped)) {
		fake_complain(fake, "waited for an SMMU that has failed");
		fake->failed = false;
	}
	return !fake->failed;
}

/* Returns whether there was a command */
static bool fake_serve_queue(struct fake_queue *queue)
{
	struct fake_smmu *fake = queue->fake;
	u32 num = readl(queue->cmdq->q.prod_reg) - queue->cons;

	num &= 2 * FAKE_Q_ENTS - 1;
	if (!num || num < READ_ONCE(fake->hold) || !fake_may_consume(fake))
		return false;

	WRITE_ONCE(fake->hold, 0);
	fake_consume(queue);
	return true;
}

/**
 * fake_settle() - Wait until all commands were consumed, also without a CMD_SYNC
 * @fake: the SMMU
 *
 * Context: Any but the timer. Nothing may be about to issue commands.
 */
void fake_settle(struct fake_smmu *fake)
{
	unsigned int i;

	for (i = 0; i < fake->num_queues; i++) {
		struct arm_smmu_queue *q = &fake->queues[i].cmdq->q;

		while ((readl(q->cons_reg) & ~CMDQ_CONS_ERR) !=
		       readl(q->prod_reg))
			cpu_relax();
	}
}

/*
 * Hard interrupt context: hardware goes on whatever its CPU is doing. That CPU
 * may be waiting for an IPI to the CPU that polls for the SMMU with IRQs off.
 */
static enum hrtimer_restart fake_tick(struct hrtimer *timer)
{
	struct fake_smmu *fake = container_of(timer, struct fake_smmu, timer);
	ktime_t now = ktime_get();
	ktime_t busy = ktime_add_us(now, FAKE_BUSY_US);
	ktime_t linger = now;
	unsigned int i;

	do {
		fake_serve_registers(fake);
		for (i = 0; i < fake->num_queues; i++)
			if (fake_serve_queue(&fake->queues[i]))
				linger = ktime_add_us(ktime_get(),
						      FAKE_LINGER_US);
		now = ktime_get();
	} while (ktime_before(now, linger) && ktime_before(now, busy) &&
		 !READ_ONCE(fake->stopping));

	hrtimer_forward_now(timer, FAKE_TICK_NS);
	return HRTIMER_RESTART;
}

static void fake_start_timer(void *data)
{
	struct fake_smmu *fake = data;

	hrtimer_start(&fake->timer, FAKE_TICK_NS,
		      HRTIMER_MODE_REL_PINNED_HARD);
}

/*
 * Set up and tear down
 */

static void fake_init_cmdq(struct kunit *test, struct fake_smmu *fake,
			   struct arm_smmu_cmdq *cmdq, unsigned long gerror,
			   unsigned long prod)
{
	struct fake_queue *queue = &fake->queues[fake->num_queues];
	unsigned int i;

	queue->fake = fake;
	queue->cmdq = cmdq;
	cmdq->q.llq.max_n_shift = FAKE_Q_SHIFT;
	cmdq->q.ent_dwords = CMDQ_ENT_DWORDS;
	cmdq->q.base_dma = FAKE_Q_DMA * (1 + fake->num_queues);
	cmdq->q.base = kunit_kcalloc(test, FAKE_Q_ENTS * CMDQ_ENT_DWORDS,
				     sizeof(*cmdq->q.base), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cmdq->q.base);
	for (i = 0; i < FAKE_Q_ENTS * CMDQ_ENT_DWORDS; i++)
		cmdq->q.base[i] = cpu_to_le64(FAKE_POISON);

	cmdq->q.prod_reg = fake->smmu.base + prod;
	cmdq->q.cons_reg = cmdq->q.prod_reg +
			   (ARM_SMMU_CMDQ_CONS - ARM_SMMU_CMDQ_PROD) / 4;
	cmdq->gerror_reg = fake->smmu.base + gerror;
	cmdq->gerrorn_reg = cmdq->gerror_reg +
			    (ARM_SMMU_GERRORN - ARM_SMMU_GERROR) / 4;
	KUNIT_ASSERT_EQ(test, 0, arm_smmu_cmdq_init(&fake->smmu, cmdq));
	/* The timer may be running: it must see the queue before the number */
	smp_store_release(&fake->num_queues, fake->num_queues + 1);
}

/**
 * fake_add_queue() - Have a second queue, as the VCMDQs of a Tegra241
 * @test: the case
 * @ops: what selects the queue that a command goes to
 *
 * It has a GERROR of its own.
 *
 * Context: Process context. No command may be in the queue of the SMMU.
 */
void fake_add_queue(struct kunit *test, const struct arm_smmu_impl_ops *ops)
{
	struct fake_smmu *fake = test->priv;

	fake_init_cmdq(test, fake, &fake->cmdq2, FAKE_VCMDQ_GERROR,
		       FAKE_VCMDQ_PROD);
	fake->smmu.impl_ops = ops;
}

static void fake_init_strtab(struct kunit *test, struct fake_smmu *fake)
{
	struct arm_smmu_ste *table;
	unsigned int i;

	table = kunit_kcalloc(test, FAKE_NUM_SIDS, sizeof(*table), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, table);
	memset(table, 0xff, FAKE_NUM_SIDS * sizeof(*table));
	for (i = 0; i < FAKE_NUM_SIDS; i++) {
		table[i].data[1] = cpu_to_le64(FAKE_STE_WORD_EATS);
		fake->sids[i].ste = table[i];
		fake->sids[i].eats = true;
	}
	fake->smmu.strtab_cfg.linear.table = table;
	fake->smmu.strtab_cfg.linear.num_ents = FAKE_NUM_SIDS;
}

/*
 * A submitter polls with IRQs off, so that nothing else runs on its CPU. The
 * fake SMMU has the last CPU for itself, and the case runs on the first one.
 */
static void fake_start(struct kunit *test, struct fake_smmu *fake)
{
	unsigned int first = cpumask_first(cpu_online_mask);

	fake->cpu = cpumask_last(cpu_online_mask);
	if (fake->cpu == first) /* the cases that need it are skipped */
		return;

	KUNIT_ASSERT_EQ(test, 0,
			set_cpus_allowed_ptr(current, cpumask_of(first)));
	hrtimer_setup(&fake->timer, fake_tick, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_PINNED_HARD);
	KUNIT_ASSERT_EQ(test, 0,
			smp_call_function_single(fake->cpu, fake_start_timer,
						 fake, true));
	fake->running = true;
}

static void fake_stop(struct fake_smmu *fake)
{
	unsigned int i;

	if (!fake->running)
		return;

	WRITE_ONCE(fake->stopping, true);
	hrtimer_cancel(&fake->timer);
	for (i = 0; i < fake->num_queues; i++)
		fake_check_gerrorn(&fake->queues[i]);
}

/* As the driver's own */
static void fake_log_stop(struct irq_work *work)
{
	struct fake_smmu *fake =
		container_of(work, struct fake_smmu, smmu.stop_work);

	fake->stops_logged++;
}

/**
 * fake_init() - Set up a fake SMMU for a case, in test->priv
 * @test: the case
 *
 * It has the mode that fake_mode_of() says, and no masters.
 *
 * Context: Process context. Binds the thread of the case to the first CPU.
 *
 * Returns: 0.
 */
int fake_init(struct kunit *test)
{
	struct fake_smmu *fake;
	struct device *dev;
	void *page;

	fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->masters = kunit_kcalloc(test, FAKE_MAX_MASTERS,
				      sizeof(*fake->masters), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake->masters);
	fake->log = kunit_kcalloc(test, FAKE_LOG_ENTS, sizeof(*fake->log),
				  GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake->log);
	page = kunit_kzalloc(test, SZ_4K, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	dev = kunit_device_register(test, "fake-smmu");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);

	fake->mode = fake_mode_of(test);
	fake->smmu.dev = dev;
	fake->smmu.base = (void __force __iomem *)page;
	fake->smmu.page1 = fake->smmu.base;
	fake->smmu.features = fake->mode->features;
	fake->smmu.options = fake->mode->options;
	xa_init(&fake->smmu.streams);
	mutex_init(&fake->smmu.streams_mutex);
	fake->smmu.atc_fenced_min = U32_MAX;
	raw_spin_lock_init(&fake->smmu.stop_lock);
	init_irq_work(&fake->smmu.stop_work, fake_log_stop);
	init_completion(&fake->go);
	fake_init_strtab(test, fake);
	fake_init_cmdq(test, fake, &fake->smmu.cmdq, ARM_SMMU_GERROR,
		       ARM_SMMU_CMDQ_PROD);
	fake_switch(fake, true);
	kmsg_dump_rewind(&fake->kmsg);

	test->priv = fake;
	fake_start(test, fake);
	return 0;
}

/**
 * fake_exit() - Stop the fake SMMU, and fail the case if it has a complaint
 * @test: the case
 *
 * Context: Process context. No other thread may use the SMMU any more.
 */
void fake_exit(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i;

	if (!fake)
		return;

	fake_stop(fake);
	for (i = 0; i < fake->num_masters; i++)
		arm_smmu_atc_release_master(&fake->masters[i].master);
	for (i = 0; i < fake->num_queues; i++) {
		irq_work_sync(&fake->queues[i].cmdq->err_work);
		cancel_work_sync(&fake->queues[i].cmdq->wait_work);
	}
	irq_work_sync(&fake->smmu.stop_work);
	xa_destroy(&fake->smmu.streams);
	KUNIT_EXPECT_STREQ(test, fake->complaint ?: "", "");
}

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of the ATC invalidation recovery of arm-smmu-v3");
MODULE_LICENSE("GPL");
