// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the recovery from ATC invalidations that are not answered,
 * against a fake SMMU: some memory for the registers, the command queues and the
 * stream table, and a timer that consumes the queues as IHI 0070 demands of the
 * hardware (4.7.3 for CMD_SYNC, 7.1 for errors). The driver's own functions fill
 * the queues, wait for them, find their errors, and recover. At each command the
 * fake looks whether anything is wrong by then, see fake_check().
 *
 * What this is not: a test of memory barriers, or of what an endpoint does with
 * its ATC. The fake makes transactions of no kind. Nor are there interrupts: the
 * driver has to find an error by itself, unless the case says otherwise. Attach
 * and detach of a PASID need more of a device than there is here.
 *
 * Copyright (C) 2026 The ATC fence authors
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/bitfield.h>
#include <linux/cleanup.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/io-pgtable.h>
#include <linux/irq_work.h>
#include <linux/kmsg_dump.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mman.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sizes.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <uapi/linux/iommufd.h>

#include "arm-smmu-v3.h"
#if IS_ENABLED(CONFIG_ARM_SMMU_V3_IOMMUFD)
#include "../../iommufd/iommufd_private.h"
#endif

static unsigned int seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "Of the random case, to repeat it; 0: a new one");

#define FAKE_Q_SHIFT		8 /* small, so that it wraps often */
#define FAKE_Q_ENTS		BIT(FAKE_Q_SHIFT)
#define FAKE_Q_DMA		0x100000 /* where the SMMU has the queue */
#define FAKE_NUM_SIDS		256
#define FAKE_FIRST_SID		0x10
#define FAKE_MAX_MASTERS	80
#define FAKE_FEW_MASTERS	8
#define FAKE_MAX_STREAMS	10
#define FAKE_LOG_ENTS		4096
#define FAKE_TICK_NS		(20 * NSEC_PER_USEC)
/* It looks for more for so long, but lets its CPU do something else, too */
#define FAKE_LINGER_US		100
#define FAKE_BUSY_US		2000

/* How long the fake SMMU waits for an answer: PCIe has it wait for a minute */
#define FAKE_ATC_TIMEOUT_US	50
/* A driver that has not looked for an error by then never will */
#define FAKE_UNSEEN_MS		5000
/* For fake_sid.timeouts: the device is dead */
#define FAKE_DEAD		UINT_MAX

/* Where the SMMU has the CD tables of all masters, it never looks */
#define FAKE_CDTAB_DMA		0x400000

/* Where the registers of a second queue are */
#define FAKE_VCMDQ_GERROR	0x800
#define FAKE_VCMDQ_PROD		0x810

/*
 * What a device has cached: a bit for each PASID, and for each of the flushes
 * that go on at once, which are known by the address that they flush.
 */
#define FAKE_MAX_THREADS	3
#define FAKE_CACHED_BIT(flush, pasid)	((flush) * 16 + (pasid))
#define FAKE_FLUSH_IOVA(flush)		((u64)(flush) * SZ_4K)

/* What is in a consumed slot, so that nobody may take it for a command */
#define FAKE_POISON		0xdeaddeaddeaddeadULL

/* What the driver is to find in all STEs: each bit set, and ATS in use */
#define FAKE_STE_WORD		(~0ULL)
#define FAKE_STE_WORD_EATS					\
	((FAKE_STE_WORD & ~STRTAB_STE_1_EATS) |			\
	 FIELD_PREP(STRTAB_STE_1_EATS, STRTAB_STE_1_EATS_TRANS))
#define FAKE_STE_WORD_FENCED	(FAKE_STE_WORD & ~STRTAB_STE_1_EATS)

struct fake_mode {
	const char *name;
	u32 features;
	u32 options;
	/* Microseconds after which an interrupt's handler looks as well */
	bool interrupt;
	unsigned int latency_us;
};

static const struct fake_mode fake_modes[] = {
	{ .name = "polled", .features = ARM_SMMU_FEAT_COHERENCY },
	{ .name = "non-coherent" },
	{ .name = "MSI", .features = ARM_SMMU_FEAT_COHERENCY,
	  .options = ARM_SMMU_OPT_MSIPOLL },
	/* Another CPU takes it before the submitter looks */
	{ .name = "interrupt", .features = ARM_SMMU_FEAT_COHERENCY,
	  .interrupt = true },
	/* Another CPU takes it at the moment when the submitter looks, too */
	{ .name = "late interrupt", .features = ARM_SMMU_FEAT_COHERENCY,
	  .interrupt = true, .latency_us = ARM_SMMU_POLL_LATE_US },
};

KUNIT_ARRAY_PARAM_DESC(fake_mode, fake_modes, name);

/* A Stream ID, as its device and as the SMMU see it */
struct fake_sid {
	/* Set by the cases: so many times it does not answer, or FAKE_DEAD */
	unsigned int timeouts;
	/* It takes so long to answer */
	unsigned int late_us;

	/* The ATC holds what the flush is to take out of it */
	DECLARE_BITMAP(cached, 64);
	/* The STE that the SMMU goes by */
	struct arm_smmu_ste ste;
	/* It lets Translated transactions pass */
	bool eats;
	/* As it was when CMD_CFGI_STE was consumed; no CMD_SYNC since */
	bool cfgi;
	struct arm_smmu_ste cfgi_ste;
};

/* A CMD_ATC_INV that no successful CMD_SYNC has covered */
struct fake_atc_inv {
	u32 sid;
	unsigned int bit;
	bool unanswered;
	ktime_t answer;
};

struct fake_master {
	struct arm_smmu_master master;
	struct arm_smmu_stream streams[FAKE_MAX_STREAMS];
	struct device dev;
	struct dev_iommu dev_iommu;
	char name[32];
};

struct fake_smmu;

/* The random case, and what each of its flushes has found before it began */
struct fake_random {
	unsigned int cmds;
	atomic_t acts;
	struct rnd_state rnd;
	struct mutex attach_lock; /* as the group mutex of all masters */
	struct {
		bool fenced;
		u32 gen;
	} before[FAKE_MAX_THREADS][FAKE_MAX_MASTERS];
	struct arm_smmu_domain *domains[3];
};

struct fake_queue {
	struct fake_smmu *fake;
	struct arm_smmu_cmdq *cmdq;
	u32 cons;
	u32 gerrorn; /* as it last was right */
};

struct fake_log {
	struct arm_smmu_cmd cmd;
	struct arm_smmu_cmdq *cmdq;
};

struct fake_smmu {
	struct arm_smmu_device smmu;
	const struct fake_mode *mode;
	struct hrtimer timer;
	unsigned int cpu;
	bool running;
	bool stopping;

	/* The state of the hardware. Its registers are in smmu.base */
	struct fake_queue queues[2]; /* that of the SMMU, and as a VCMDQ */
	unsigned int num_queues;
	struct fake_sid sids[FAKE_NUM_SIDS];
	struct fake_atc_inv atc_invs[2 * FAKE_Q_ENTS];
	unsigned int num_atc_invs;

	/* What a case asks of it */
	u32 fault; /* CMDQ_ERR_CERROR_*, once */
	unsigned int fault_at; /* at the command that will be log[fault_at] */
	bool one_at_a_time; /* report one of several timeouts with an error */
	unsigned int sticky; /* so many errors for one and the same timeout */
	unsigned int hold; /* consume nothing until there are so many commands */
	ktime_t hung_until; /* consume nothing until then */
	bool failed; /* nor later, but nobody may wait so long */
	bool endless; /* the log is of no use */
	void (*before_cmd)(struct fake_smmu *fake, u8 op);
	void (*on_error)(struct fake_smmu *fake);

	/* What it has seen */
	struct fake_log *log; /* the commands that were consumed */
	unsigned int log_num;
	unsigned int errors;
	const char *complaint;
	unsigned int stops_logged;

	struct fake_master *masters;
	unsigned int num_masters;
	unsigned int num_sids;
	struct arm_smmu_domain domain;
	struct arm_smmu_domain domain2;
	struct arm_smmu_cmdq cmdq2;
	struct arm_smmu_cmdq_batch batch;
	struct kmsg_dump_iter kmsg;

	/* Of single cases */
	struct completion go;
	unsigned int go_at;
	call_single_data_t interrupt;
	struct irq_work nested;
	enum arm_smmu_atc_state nested_state;
	struct fake_random *random;
};

/*
 * The fake SMMU
 */

/* Only the first: the others follow from it */
static void fake_complain(struct fake_smmu *fake, const char *complaint)
{
	cmpxchg(&fake->complaint, NULL, complaint);
}

/* Or else all transactions are aborted, as GBPA says */
static bool fake_is_translating(struct fake_smmu *fake)
{
	return readl(fake->smmu.base + ARM_SMMU_CR0ACK) & CR0_SMMUEN ||
	       !(readl(fake->smmu.base + ARM_SMMU_GBPA) & GBPA_ABORT);
}

static bool fake_is_on(struct fake_smmu *fake)
{
	return readl(fake->smmu.base + ARM_SMMU_CR0ACK) & CR0_CMDQEN;
}

static void fake_switch(struct fake_smmu *fake, bool on)
{
	u32 cr0 = on ? CR0_CMDQEN | CR0_SMMUEN : 0;

	writel(cr0, fake->smmu.base + ARM_SMMU_CR0);
	writel(cr0, fake->smmu.base + ARM_SMMU_CR0ACK);
}

/* What has been written to the registers takes effect */
static void fake_serve_registers(struct fake_smmu *fake)
{
	u32 gbpa = readl(fake->smmu.base + ARM_SMMU_GBPA);
	u32 cr0 = readl(fake->smmu.base + ARM_SMMU_CR0);

	if (gbpa & GBPA_UPDATE)
		writel(gbpa & ~GBPA_UPDATE, fake->smmu.base + ARM_SMMU_GBPA);
	if (cr0 != readl(fake->smmu.base + ARM_SMMU_CR0ACK))
		writel(cr0, fake->smmu.base + ARM_SMMU_CR0ACK);
}

static void fake_check_gerrorn(struct fake_queue *queue)
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

	/* Once is enough to know that it does not look */
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
			fake_complain(fake, "nobody has looked for the error");
			was_unseen = true;
			arm_smmu_cmdq_take_error(&fake->smmu, cmdq);
		}
		active = readl(cmdq->gerror_reg) ^ readl(cmdq->gerrorn_reg);
	} while (active & GERROR_CMDQ_ERR && !READ_ONCE(fake->stopping));

	queue->gerrorn ^= GERROR_CMDQ_ERR;
	fake_check_gerrorn(queue);
	/* Whoever comes too late for an error must not touch anything */
	arm_smmu_cmdq_take_error(&fake->smmu, cmdq);
	fake_check_gerrorn(queue);

	/* CMDQ_CONS.ERR is UNKNOWN from now on: lure those who rely on it */
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

static bool fake_ste_has_eats(const struct arm_smmu_ste *ste)
{
	return FIELD_GET(STRTAB_STE_1_EATS,
			 le64_to_cpu(READ_ONCE(ste->data[1])));
}

static void fake_consume_cfgi_ste(struct fake_smmu *fake,
				  const struct arm_smmu_cmd *cmd)
{
	u32 sid = FIELD_GET(CMDQ_CFGI_0_SID, cmd->data[0]);
	struct arm_smmu_ste *ste = &fake->smmu.strtab_cfg.linear.table[sid];
	struct fake_sid *s = &fake->sids[sid];
	unsigned int i;

	s->cfgi = true;
	for (i = 0; i < ARRAY_SIZE(ste->data); i++)
		s->cfgi_ste.data[i] = READ_ONCE(ste->data[i]);
}

/* Forget those who did not answer: that was what the error was for */
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

		/* Once a Stream ID, for however many commands */
		timeouts = READ_ONCE(s->timeouts);
		if (!dropped || inv->sid != sid)
			if (timeouts && timeouts != FAKE_DEAD)
				cmpxchg(&s->timeouts, timeouts, timeouts - 1);
		dropped = true;
		sid = inv->sid;
	}
	fake->num_atc_invs = left;
}

/* Returns whether it has completed: if not, it is to be fetched again */
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
			/* What was forgotten before is so, see fake_has_escaped() */
			smp_store_release(&s->eats, fake_ste_has_eats(&s->ste));
		}
		s->cfgi = false;
	}
	return true;
}

/*
 * At any moment: no STE of a master has EATS that is being fenced, and nobody
 * may be told that it is before the SMMU has been.
 */
static void fake_check_master(struct fake_smmu *fake,
			      struct arm_smmu_master *master)
{
	struct arm_smmu_ste *table = fake->smmu.strtab_cfg.linear.table;
	unsigned int i;

	guard(raw_spinlock_irqsave)(&master->fence.lock);
	if (master->fence.state == ARM_SMMU_ATC_OK ||
	    master->fence.state == ARM_SMMU_ATC_GONE)
		return;

	for (i = 0; i < master->num_streams; i++) {
		u32 sid = master->streams[i].id;

		/* Or else another's, see the case alias */
		if (xa_load(&fake->smmu.streams, sid) != master)
			continue;
		if (fake_ste_has_eats(&table[sid]))
			fake_complain(fake, "EATS of a master to be fenced");
		if (master->fence.state == ARM_SMMU_ATC_FENCED &&
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

/*
 * All but the first Stream ID may stop answering, for good or for once. A master
 * that a flush has found fenced is not asked, unless it was reset.
 */
static void fake_random_step(struct fake_smmu *fake,
			     const struct arm_smmu_cmd *cmd)
{
	u64 flush = (cmd->data[1] & CMDQ_ATC_1_ADDR_MASK) / SZ_4K;
	u32 sid = FIELD_GET(CMDQ_ATC_0_SID, cmd->data[0]);
	struct fake_random *random = fake->random;
	u32 dice = prandom_u32_state(&random->rnd);
	struct fake_master *m;
	unsigned int i;

	random->cmds++;
	if (dice % 16 == 0) {
		i = FAKE_FIRST_SID + 1 + (dice >> 8) % (fake->num_sids - 1);
		WRITE_ONCE(fake->sids[i].timeouts,
			   (dice >> 4) % 4 ? FAKE_DEAD : 1);
	}

	/* All of the ATC is for a reset to ask for */
	if (FIELD_GET(CMDQ_0_OP, cmd->data[0]) != CMDQ_OP_ATC_INV ||
	    FIELD_GET(CMDQ_ATC_1_SIZE, cmd->data[1]) == ATC_INV_SIZE_ALL)
		return;

	m = container_of(arm_smmu_load_master(&fake->smmu, sid),
			 struct fake_master, master);
	i = m - fake->masters;
	if (random->before[flush][i].fenced &&
	    random->before[flush][i].gen == READ_ONCE(m->master.fence.gen))
		fake_complain(fake, "a fenced master was asked");
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
	/* Nobody needs so many: rather end a loop than hang */
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
	op = FIELD_GET(CMDQ_0_OP, cmd.data[0]);

	if (cmd.data[0] == FAKE_POISON)
		fake_complain(fake, "PROD is past a slot that was not written");
	if (fault && fake->log_num == fake->fault_at) {
		fake->fault = 0;
		fake_raise(queue, fault);
		return;
	}
	if (fake->before_cmd)
		fake->before_cmd(fake, op);
	if (fake->random)
		fake_random_step(fake, &cmd);
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
		/* As the write of an MSI: what was done before it is visible */
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

/*
 * Hard interrupt context: as hardware, it must get on whatever its CPU is doing.
 * That may be waiting for an IPI to be served by the CPU that polls for us with
 * IRQs off.
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
 * What the cases are written in
 */

/* A command queue, with its registers where those of an SMMU are, or elsewhere */
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
	/* The timer may be running */
	smp_store_release(&fake->num_queues, fake->num_queues + 1);
}

static void fake_cpu_or_skip(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	if (!fake->running)
		kunit_skip(test, "the fake SMMU needs a CPU of its own");
}

static struct arm_smmu_master *fake_master(struct kunit *test, unsigned int i)
{
	struct fake_smmu *fake = test->priv;

	return &fake->masters[i].master;
}

static struct arm_smmu_ste *fake_ste(struct fake_smmu *fake, u32 sid)
{
	return &fake->smmu.strtab_cfg.linear.table[sid];
}

/* The @i-th Stream ID of all masters */
static struct fake_sid *fake_sid(struct kunit *test, unsigned int i)
{
	struct fake_smmu *fake = test->priv;

	return &fake->sids[FAKE_FIRST_SID + i];
}

static void fake_free_invs(void *invs)
{
	kfree(invs);
}

/* What a domain of @smmu_domain invalidates: all PASIDs of masters from @first */
static void fake_attach_to(struct kunit *test,
			   struct arm_smmu_domain *smmu_domain,
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

static void fake_init_master(struct kunit *test, struct fake_master *m)
{
	struct fake_smmu *fake = test->priv;
	static unsigned int seq;

	/* A name that the log does not have yet */
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

/* Have another master, with @num_streams Stream IDs that nobody has */
static void fake_add_master(struct kunit *test, unsigned int num_streams)
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

/*
 * Have @num_masters masters with @num_streams Stream IDs each, all attached to
 * one domain by @num_pasids PASIDs.
 */
static void fake_attach(struct kunit *test, unsigned int num_masters,
			unsigned int num_streams, unsigned int num_pasids)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i;

	for (i = 0; i < num_masters; i++)
		fake_add_master(test, num_streams);
	fake_attach_to(test, &fake->domain, 0, num_masters, num_pasids);
}

/* The device has a translation that @flush is to take from it */
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
 * @flush has returned, so the memory is somebody else's. Who has still got its
 * translation must not be able to use it. In this order: a reset empties the
 * ATC first, and EATS comes after it.
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

		/* Before what it had cached: pairs with fake_consume_sync() */
		if (smp_load_acquire(&s->eats) &&
		    test_bit(FAKE_CACHED_BIT(flush, inv->ssid), s->cached))
			escaped = true;
	}
	return escaped;
}

/* Nobody can use what a flush was to take from them, in none of the domains */
static void fake_expect_no_escape(struct kunit *test)
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

/* Unmap something: the driver's flush from one end to the other */
static void fake_flush(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_cpu_or_skip(test);
	fake_cache(fake, &fake->domain, 0);
	arm_smmu_domain_inv_range(&fake->domain, 0, SZ_4K, SZ_4K, true);
	fake_expect_no_escape(test);
}

static int fake_issue(struct kunit *test, struct arm_smmu_cmd *cmds, int n,
		      bool sync)
{
	struct fake_smmu *fake = test->priv;

	fake_cpu_or_skip(test);
	return arm_smmu_cmdq_issue_cmdlist(&fake->smmu, &fake->smmu.cmdq, cmds,
					   n, sync);
}

/* Issue @n commands that no device has to answer */
static int fake_issue_tlbi(struct kunit *test, int n, bool sync)
{
	struct arm_smmu_cmd cmds[CMDQ_BATCH_ENTRIES];
	int i;

	for (i = 0; i < n; i++)
		cmds[i] = arm_smmu_make_cmd_tlbi(CMDQ_OP_TLBI_NH_ASID, i, 0);
	return fake_issue(test, cmds, n, sync);
}

static int fake_issue_atc_inv(struct kunit *test, unsigned int i)
{
	struct arm_smmu_cmd cmd =
		arm_smmu_make_cmd_atc_inv_all(FAKE_FIRST_SID + i, 0);

	return fake_issue(test, &cmd, 1, true);
}

/* The first half of a flush of @n Stream IDs: a batch, submitted */
static int fake_issue_batch(struct kunit *test, int n)
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

/* The second half of it, should the first have failed */
static void fake_recover_from(struct kunit *test, int error)
{
	struct fake_smmu *fake = test->priv;

	arm_smmu_atc_recover(&fake->smmu, &fake->batch, error);
	fake_expect_no_escape(test);
}

static void fake_recover(struct kunit *test)
{
	fake_recover_from(test, -ETIMEDOUT);
}

/* The queue stops once for @err, at the @nth command from now on */
static void fake_fault(struct kunit *test, unsigned int nth, u32 err)
{
	struct fake_smmu *fake = test->priv;

	fake->fault_at = fake->log_num + nth;
	fake->fault = err;
}

/*
 * A device is reset: it listens again, and has forgotten its translations. What
 * it had when the driver was told counts: the driver asks it no more for that.
 */
static void fake_reset(struct fake_smmu *fake, struct arm_smmu_master *master)
{
	unsigned int i, j;

	for (i = 0; i < master->num_streams; i++)
		WRITE_ONCE(fake->sids[master->streams[i].id].timeouts, 0);
	arm_smmu_atc_reset_done(master);
	for (i = 0; i < master->num_streams; i++)
		for (j = 0; j < 64; j++)
			clear_bit(j, fake->sids[master->streams[i].id].cached);
}

/* An attach stores the STEs of @master. Returns whether any word changed. */
static bool fake_store_stes(struct fake_smmu *fake,
			    struct arm_smmu_master *master)
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

/* As around a reset by the core: an attach that allows ATS comes after it */
static void fake_reset_and_attach(struct kunit *test, unsigned int i)
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

/* Until what nobody waits for was consumed, too */
static void fake_settle(struct fake_smmu *fake)
{
	unsigned int i;

	for (i = 0; i < fake->num_queues; i++) {
		struct arm_smmu_queue *q = &fake->queues[i].cmdq->q;

		while ((readl(q->cons_reg) & ~CMDQ_CONS_ERR) !=
		       readl(q->prod_reg))
			cpu_relax();
	}
}

static void fake_forget_log(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_settle(fake);
	fake->log_num = 0;
	fake->errors = 0;
}

static u8 fake_log_op(struct fake_smmu *fake, unsigned int i)
{
	return FIELD_GET(CMDQ_0_OP, fake->log[i].cmd.data[0]);
}

static unsigned int fake_count(struct kunit *test, u8 op)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i, n = 0;

	for (i = 0; i < fake->log_num; i++)
		n += fake_log_op(fake, i) == op;
	return n;
}

static unsigned int fake_count_atc_inv(struct kunit *test, unsigned int sid)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i, n = 0;

	for (i = 0; i < fake->log_num; i++) {
		u64 data = fake->log[i].cmd.data[0];

		n += fake_log_op(fake, i) == CMDQ_OP_ATC_INV &&
		     FIELD_GET(CMDQ_ATC_0_SID, data) == FAKE_FIRST_SID + sid;
	}
	return n;
}

/* How often the log has a line with @what about the @i-th master */
static unsigned int fake_count_lines(struct kunit *test, unsigned int i,
				     const char *what)
{
	struct fake_smmu *fake = test->priv;
	struct kmsg_dump_iter iter = fake->kmsg;
	char text[80], line[256];
	unsigned int n = 0;
	size_t len;

	irq_work_sync(&fake->masters[i].master.fence.log_work);
	kmsg_dump_rewind(&iter);
	iter.cur_seq = max(iter.cur_seq, fake->kmsg.next_seq);
	snprintf(text, sizeof(text), "%s: %s", fake->masters[i].name, what);
	while (kmsg_dump_get_line(&iter, false, line, sizeof(line) - 1, &len)) {
		line[len] = '\0';
		n += !!strstr(line, text);
	}
	return n;
}

/* How often it tells the user that the master is fenced */
static unsigned int fake_count_reports(struct kunit *test, unsigned int i)
{
	return fake_count_lines(test, i, "ATC invalidation was not answered");
}

static void fake_expect_log(struct kunit *test, unsigned int atc_invs,
			    unsigned int cfgi_stes, unsigned int syncs,
			    unsigned int errors)
{
	struct fake_smmu *fake = test->priv;

	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_ATC_INV), atc_invs);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_CFGI_STE), cfgi_stes);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_CMD_SYNC), syncs);
	KUNIT_EXPECT_EQ(test, fake->errors, errors);
}

static void fake_expect_words(struct kunit *test,
			      struct arm_smmu_master *master, u64 word)
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

static void fake_expect_fenced(struct kunit *test, unsigned int i)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_master *master = fake_master(test, i);
	unsigned int j;

	KUNIT_EXPECT_EQ(test, master->fence.state, ARM_SMMU_ATC_FENCED);
	fake_expect_words(test, master, FAKE_STE_WORD_FENCED);
	for (j = 0; j < master->num_streams; j++)
		KUNIT_EXPECT_FALSE(test,
				   fake->sids[master->streams[j].id].eats);
	if (IS_ENABLED(CONFIG_PRINTK))
		KUNIT_EXPECT_EQ(test, fake_count_reports(test, i), 1);
}

static void fake_expect_usable(struct kunit *test, unsigned int i)
{
	struct arm_smmu_master *master = fake_master(test, i);

	KUNIT_EXPECT_EQ(test, master->fence.state, ARM_SMMU_ATC_OK);
	fake_expect_words(test, master, FAKE_STE_WORD_EATS);
	KUNIT_EXPECT_EQ(test, fake_count_reports(test, i), 0);
}

/* All masters from @first to @last are fenced, and no others */
static void fake_expect_fenced_only(struct kunit *test, unsigned int first,
				    unsigned int last)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i;

	for (i = 0; i < fake->num_masters; i++)
		if (i >= first && i <= last)
			fake_expect_fenced(test, i);
		else
			fake_expect_usable(test, i);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced),
			last - first + 1);
}

static void fake_expect_none_fenced(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i;

	for (i = 0; i < fake->num_masters; i++)
		fake_expect_usable(test, i);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced), 0);
}

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

/* The half of a fence that is made in memory */
static void fake_begin_fence(struct kunit *test, unsigned int i)
{
	struct arm_smmu_master *master = fake_master(test, i);
	struct fake_smmu *fake = test->priv;
	unsigned int j;

	guard(raw_spinlock_irqsave)(&master->fence.lock);
	WRITE_ONCE(master->fence.state, ARM_SMMU_ATC_FENCING);
	for (j = 0; j < master->num_streams; j++)
		arm_smmu_atc_clear_eats(&fake->smmu,
					fake_ste(fake, master->streams[j].id));
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
	/* Who is about to fence it may not have told the SMMU of his word yet */
	KUNIT_EXPECT_EQ(test, changed,
			old != stored || state == ARM_SMMU_ATC_FENCING);
}

static void arm_smmu_atc_test_store_word(struct kunit *test)
{
	fake_attach(test, 1, 1, 1);
	fake_expect_stored(test, ARM_SMMU_ATC_OK, 0, FAKE_STE_WORD_EATS,
			   FAKE_STE_WORD_EATS);
	fake_expect_stored(test, ARM_SMMU_ATC_OK, FAKE_STE_WORD_EATS, 0, 0);
	fake_expect_stored(test, ARM_SMMU_ATC_OK, FAKE_STE_WORD_EATS,
			   FAKE_STE_WORD_EATS, FAKE_STE_WORD_EATS);
}

static void fake_expect_stored_without_eats(struct kunit *test,
					    enum arm_smmu_atc_state state)
{
	fake_expect_stored(test, state, 0, FAKE_STE_WORD_EATS,
			   FAKE_STE_WORD_FENCED);
	fake_expect_stored(test, state, FAKE_STE_WORD_EATS, 0, 0);
	/* No bit but those of EATS differs */
	fake_expect_stored(test, state, FAKE_STE_WORD_FENCED,
			   FAKE_STE_WORD_EATS, FAKE_STE_WORD_FENCED);
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
 * Errors of the queue
 */

static void fake_expect_no_errs_left(struct kunit *test)
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

/* Go round until the next list begins in slot @idx */
static void fake_go_to_slot(struct kunit *test, u32 idx)
{
	struct fake_smmu *fake = test->priv;

	u32 n;

	fake_settle(fake);
	n = (idx - fake->queues[0].cons) % FAKE_Q_ENTS;
	for (; n; n -= min(n, CMDQ_BATCH_ENTRIES))
		KUNIT_ASSERT_EQ(test, 0,
				fake_issue_tlbi(test,
						min(n, CMDQ_BATCH_ENTRIES),
						false));
	fake_settle(fake);
}

static void arm_smmu_atc_test_queue_healthy(struct kunit *test)
{
	int i;

	/* Twice round the queue */
	for (i = 0; i < FAKE_Q_ENTS / 16; i++)
		KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 31, true));
	fake_expect_log(test, 0, 0, FAKE_Q_ENTS / 16, 0);
}

static void arm_smmu_atc_test_queue_error_to_owner(struct kunit *test)
{
	fake_attach(test, 2, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;

	KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 3, false));
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_atc_inv(test, 0));
	KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 3, true));
	KUNIT_EXPECT_EQ(test, 0, fake_issue_atc_inv(test, 1));
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_atc_inv(test, 0));
	fake_expect_no_errs_left(test);
}

/*
 * An error at any place of a list is its owner's, across the end of the queue.
 * The last place is that of the CMD_SYNC. With MSIs this takes two seconds: what
 * replaces the CMD_SYNC sends none.
 */
static void arm_smmu_atc_test_queue_error_in_wrap(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < 6; i++) {
		fake_go_to_slot(test, FAKE_Q_ENTS - 3);
		fake_fault(test, i, CMDQ_ERR_CERROR_ILL_IDX);
		KUNIT_EXPECT_EQ(test, -EIO, fake_issue_tlbi(test, 5, true));
		KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 5, true));
		fake_expect_no_errs_left(test);
	}
}

static void arm_smmu_atc_test_queue_error_behind_list(struct kunit *test)
{
	/* The first command of the next list, which nobody waits for */
	fake_fault(test, 6, CMDQ_ERR_CERROR_ILL_IDX);
	KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 5, true));
	KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 1, false));
	KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 1, true));
}

static void arm_smmu_atc_test_queue_stale_error(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	int i;

	/* Found by who waits behind it, but recorded for who does not ask */
	fake_fault(test, 0, CMDQ_ERR_CERROR_ILL_IDX);
	KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 1, false));
	KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 1, true));
	KUNIT_EXPECT_EQ(test, fake->smmu.cmdq.nr_errs, 1);

	/* Until its slot has been used again */
	for (i = 0; i < FAKE_Q_ENTS / 32; i++)
		KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 31, true));
	fake_expect_no_errs_left(test);
}

static void arm_smmu_atc_test_queue_error_twice(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 2, 1, 1);
	fake->one_at_a_time = true;
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_sid(test, 1)->timeouts = FAKE_DEAD;

	/* The same CMD_SYNC stops the queue for the one and for the other */
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_batch(test, 2));
	fake_expect_log(test, 2, 0, 1, 2);
	fake_expect_no_errs_left(test);
	KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 1, true));
}

static void arm_smmu_atc_test_queue_illegal(struct kunit *test)
{
	fake_fault(test, 1, CMDQ_ERR_CERROR_ILL_IDX);
	KUNIT_EXPECT_EQ(test, -EIO, fake_issue_tlbi(test, 3, true));
	/* The illegal one was made a CMD_SYNC, so that the queue can go on */
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_TLBI_NH_ASID), 2);
	fake_expect_log(test, 0, 0, 2, 1);
}

static void arm_smmu_atc_test_queue_abort(struct kunit *test)
{
	fake_fault(test, 1, CMDQ_ERR_CERROR_ABT_IDX);
	KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 3, true));
	/* It could not be fetched, and is now */
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_TLBI_NH_ASID), 3);
	fake_expect_log(test, 0, 0, 1, 1);
}

/* One and the same CMD_SYNC stops the queue again and again */
static void arm_smmu_atc_test_queue_sticky(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake->sticky = 5;
	fake_flush(test);
	/* It has completed at last, and nothing was repeated before */
	fake_expect_log(test, 1, 1, 2, 1 + 5);
	fake_expect_fenced_only(test, 0, 0);
	fake_expect_no_errs_left(test);
}

/* The queue stops, and is filled by those who wait for no command */
static void arm_smmu_atc_test_queue_full(struct kunit *test)
{
	int i;

	fake_fault(test, 0, CMDQ_ERR_CERROR_ILL_IDX);
	for (i = 0; i <= FAKE_Q_ENTS / 32; i++)
		KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 32, false));
	KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 1, true));
	fake_expect_log(test, 0, 0, 2, 1);
}

/* Nothing but CMDQ_ERR is acknowledged: fake_check_gerrorn() looks */
static void arm_smmu_atc_test_queue_other_gerror(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	u32 __iomem *gerror = fake->smmu.cmdq.gerror_reg;
	u32 __iomem *gerrorn = fake->smmu.cmdq.gerrorn_reg;

	writel(GERROR_EVTQ_ABT_ERR, gerror);
	fake_fault(test, 0, CMDQ_ERR_CERROR_ABT_IDX);
	KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 1, true));
	KUNIT_EXPECT_EQ(test, readl(gerror) ^ readl(gerrorn),
			GERROR_EVTQ_ABT_ERR);
}

static void fake_expect_not_taken(struct kunit *test, u32 gerror)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_cmdq *cmdq = &fake->smmu.cmdq;

	writel(FIELD_PREP(CMDQ_CONS_ERR, CMDQ_ERR_CERROR_ILL_IDX),
	       cmdq->q.cons_reg);
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
	struct fake_smmu *fake = test->priv;

	fake_switch(fake, false);
	KUNIT_EXPECT_EQ(test, -ENODEV, fake_issue_tlbi(test, 1, true));
	fake_expect_log(test, 0, 0, 0, 0);
}

static void fake_fail_at(struct fake_smmu *fake, u8 op)
{
	u32 __iomem *gerror = fake->smmu.cmdq.gerror_reg;

	if (fake->log_num != fake->go_at)
		return;

	writel(readl(gerror) ^ GERROR_SFM_ERR, gerror);
	fake->failed = true;
	WRITE_ONCE(fake->hung_until, ktime_add_ms(ktime_get(), FAKE_UNSEEN_MS));
}

/* Flushes have returned because nothing passes any more, fenced or not */
static void fake_expect_stopped(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_cmdq *cmdq = &fake->smmu.cmdq;
	u32 prod = readl(cmdq->q.prod_reg);

	KUNIT_EXPECT_TRUE(test, fake->smmu.stopped);
	KUNIT_EXPECT_TRUE(test, readl(fake->smmu.base + ARM_SMMU_GBPA) &
				GBPA_ABORT);
	KUNIT_EXPECT_FALSE(test, fake_is_translating(fake));

	/* Nobody waits any more, or has anything to wait for */
	KUNIT_EXPECT_EQ(test, -ENODEV, fake_issue_tlbi(test, 1, true));
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
	fake_attach(test, 2, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);

	fake_expect_stopped(test);
	/* Nothing of it is acknowledged */
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

/* The CMD_CFGI_STE of a fence: nothing that it waits for may have happened */
static void arm_smmu_atc_test_service_failure_in_fence(struct kunit *test)
{
	fake_expect_stop_at(test, 5);
}

/* A timeout in software is no answer: it takes longer, and is waited for */
static void arm_smmu_atc_test_late_answer(struct kunit *test)
{
	fake_attach(test, 1, 1, 1);
	fake_sid(test, 0)->late_us = ARM_SMMU_POLL_TIMEOUT_US * 5 / 4;
	fake_flush(test);
	fake_expect_log(test, 1, 0, 1, 0);
	fake_expect_none_fenced(test);
}

/*
 * Flushes with a device that does not answer
 */

struct fake_search {
	const char *name;
	unsigned int masters, streams, pasids;
	/* Stream IDs that do not answer, so many times or FAKE_DEAD */
	unsigned int first_dead, last_dead, timeouts;
	/* What the SMMU is to see */
	unsigned int atc_invs, cfgi_stes, syncs, errors;
};

/*
 * With n Stream IDs, k of which are dead, all are asked twice: together, and one
 * by one. Each master that is dead takes CMD_CFGI_STEs, that share a CMD_SYNC.
 * One error says that somebody is dead, and one each who it is.
 */
static const struct fake_search fake_searches[] = {
	/* Free when nothing fails: 64 are a batch, which has its own CMD_SYNC */
	{ "all answer", 8, 1, 1, 0, 0, 0, 8, 0, 1, 0 },
	{ "64 answer", 64, 1, 1, 0, 0, 0, 64, 0, 1, 0 },
	{ "65 answer", 65, 1, 1, 0, 0, 0, 65, 0, 2, 0 },
	{ "200 answer", 40, 1, 5, 0, 0, 0, 200, 0, 4, 0 },
	/* Nobody else can be to blame: the second CMD_SYNC is CMD_CFGI_STE's */
	{ "batch of 1", 1, 1, 1, 0, 0, FAKE_DEAD, 1, 1, 1 + 1, 1 },
	{ "batch of 64", 64, 1, 1, 40, 40, FAKE_DEAD,
	  64 + 64, 1, 1 + 64 + 1, 2 },
	/* 64 are searched, the other batch is its command and CMD_SYNC */
	{ "batch of 65, first dead", 65, 1, 1, 0, 0, FAKE_DEAD,
	  64 + 64 + 1, 1, 1 + 64 + 1 + 1, 2 },
	/* It is alone in its batch, so nothing is repeated */
	{ "batch of 65, last dead", 65, 1, 1, 64, 64, FAKE_DEAD,
	  65, 1, 2 + 1, 1 },
	/* One of 4 batches is searched, with 13 Stream IDs and 64 commands */
	{ "batch of 200", 40, 1, 5, 10, 10, FAKE_DEAD,
	  200 + 64, 1, 4 + 13 + 1, 2 },
	/* What is in the second batch is not sent, as the first has failed */
	{ "batch of 200, cut in two", 40, 1, 5, 12, 12, FAKE_DEAD,
	  64 + 64 + 63 + 64 + 8, 1, 4 + 13 + 1, 2 },
	/* With 2 Stream IDs and 8 commands */
	{ "batch of 200, last dead", 40, 1, 5, 39, 39, FAKE_DEAD,
	  200 + 8, 1, 4 + 2 + 1, 2 },
	{ "one dead", 5, 1, 1, 2, 2, FAKE_DEAD, 5 + 5, 1, 1 + 5 + 1, 2 },
	{ "first dead", 5, 1, 1, 0, 0, FAKE_DEAD, 5 + 5, 1, 1 + 5 + 1, 2 },
	{ "last dead", 5, 1, 1, 4, 4, FAKE_DEAD, 5 + 5, 1, 1 + 5 + 1, 2 },
	{ "two dead", 5, 1, 1, 1, 2, FAKE_DEAD, 5 + 5, 2, 1 + 5 + 2, 3 },
	{ "all dead", 5, 1, 1, 0, 4, FAKE_DEAD, 5 + 5, 5, 1 + 5 + 5, 6 },
	{ "one answers the retry", 2, 1, 1, 1, 1, 1, 2 + 2, 0, 1 + 2, 1 },
	{ "all answer the retry", 5, 1, 1, 0, 4, 1, 5 + 5, 0, 1 + 5, 1 },
	/* All PASIDs of a Stream ID are repeated together: 2 CMD_SYNCs, not 6 */
	{ "PASIDs", 2, 1, 3, 0, 0, FAKE_DEAD, 6 + 6, 1, 1 + 2 + 1, 2 },
	{ "PASIDs answer the retry", 2, 1, 3, 1, 1, 1, 6 + 6, 0, 1 + 2, 1 },
	/* Many commands, but one Stream ID: nothing to find out */
	{ "PASIDs alone", 1, 1, 64, 0, 0, FAKE_DEAD, 64, 1, 1 + 1, 1 },
	/*
	 * 6 at first, then 1 of the dead master, whose others need no answer any
	 * more, and 3 of the healthy one
	 */
	{ "Stream IDs, first dead", 2, 3, 1, 0, 0, FAKE_DEAD,
	  6 + 1 + 3, 3, 1 + 1 + 1 + 3, 2 },
	/* Nobody can know before the last */
	{ "Stream IDs, last dead", 2, 3, 1, 5, 5, FAKE_DEAD,
	  6 + 6, 3, 1 + 6 + 1, 2 },
	{ "Stream IDs, all dead", 2, 3, 1, 0, 5, FAKE_DEAD,
	  6 + 1 + 1, 6, 1 + 1 + 1 + 1 + 1, 3 },
	/* More STEs than there is room for on the stack */
	{ "ten Stream IDs", 1, 10, 1, 9, 9, FAKE_DEAD,
	  10 + 10, 10, 1 + 10 + 2, 2 },
};

/* The one of them, and the mode, that is the parameter of the current case */
static struct {
	const struct fake_search *search;
	const struct fake_mode *mode;
} fake_search_now;

static const void *fake_search_gen_params(struct kunit *test, const void *prev,
					  char *desc)
{
	static unsigned int next_search, next_mode;

	if (!prev) {
		next_search = 0;
		next_mode = 0;
	}
	if (next_search == ARRAY_SIZE(fake_searches))
		return NULL;

	fake_search_now.search = &fake_searches[next_search];
	fake_search_now.mode = &fake_modes[next_mode++];
	/* The large ones differ in their numbers only: in one mode */
	if (next_mode == ARRAY_SIZE(fake_modes) ||
	    fake_search_now.search->masters > FAKE_FEW_MASTERS) {
		next_search++;
		next_mode = 0;
	}
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, %s",
		 fake_search_now.search->name, fake_search_now.mode->name);
	return &fake_search_now;
}

static const struct fake_mode *fake_mode_of(struct kunit *test)
{
	const struct fake_mode *mode = test->param_value;

	if (test->param_value == &fake_search_now)
		return fake_search_now.mode;
	if (mode >= fake_modes && mode < fake_modes + ARRAY_SIZE(fake_modes))
		return mode;
	return &fake_modes[0];
}

static void arm_smmu_atc_test_search(struct kunit *test)
{
	const struct fake_search *search = fake_search_now.search;
	unsigned int i;

	fake_attach(test, search->masters, search->streams, search->pasids);
	if (search->timeouts)
		for (i = search->first_dead; i <= search->last_dead; i++)
			fake_sid(test, i)->timeouts = search->timeouts;
	fake_flush(test);
	fake_expect_log(test, search->atc_invs, search->cfgi_stes,
			search->syncs, search->errors);
	fake_expect_no_errs_left(test);
	if (search->timeouts == FAKE_DEAD)
		fake_expect_fenced_only(test,
					search->first_dead / search->streams,
					search->last_dead / search->streams);
	else
		fake_expect_none_fenced(test);
}

static void arm_smmu_atc_test_batch_cut_at_63(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 64, 1, 1);
	fake->smmu.options |= ARM_SMMU_OPT_CMDQ_FORCE_SYNC;
	fake_sid(test, 1)->timeouts = FAKE_DEAD;
	fake_flush(test);
	/* As a batch of 65, with an erratum for which 63 is the limit */
	fake_expect_log(test, 63 + 63 + 1, 1, 1 + 63 + 1 + 1, 2);
	fake_expect_fenced_only(test, 1, 1);
}

static void arm_smmu_atc_test_fenced_is_skipped(struct kunit *test)
{
	fake_attach(test, 3, 3, 2);
	fake_sid(test, 4)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_forget_log(test);

	/* By none of its Stream IDs */
	fake_flush(test);
	KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, 3), 0);
	KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, 4), 0);
	KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, 5), 0);
	fake_expect_log(test, 12, 0, 1, 0);
	fake_expect_fenced_only(test, 1, 1);
}

/* Of any masters that are fenced nobody is asked, and of the others everybody */
static void arm_smmu_atc_test_fenced_are_skipped(struct kunit *test)
{
	const unsigned int num_masters = 5, num_pasids = 2;
	struct fake_smmu *fake = test->priv;
	unsigned int fenced, i;

	fake_attach(test, num_masters, 1, num_pasids);
	for (fenced = 0; fenced < BIT(num_masters); fenced++) {
		fake->smmu.atc_fenced_min = U32_MAX;
		fake->smmu.atc_fenced_max = 0;
		for (i = 0; i < num_masters; i++) {
			if (!(fenced & BIT(i)))
				continue;
			fake_begin_fence(test, i);
			fake_sid(test, i)->eats = false;
			arm_smmu_atc_inherit_fence(fake_master(test, i));
		}

		fake_forget_log(test);
		fake_flush(test);
		for (i = 0; i < num_masters; i++)
			KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, i),
					fenced & BIT(i) ? 0 : num_pasids);
		KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_CMD_SYNC),
				fenced != BIT(num_masters) - 1);
		for (i = 0; i < num_masters; i++)
			if (fenced & BIT(i))
				fake_reset_and_attach(test, i);
		fake_expect_none_fenced(test);
	}
}

static void arm_smmu_atc_test_all_fenced(struct kunit *test)
{
	fake_attach(test, 1, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_forget_log(test);

	fake_flush(test);
	/* Not even a CMD_SYNC */
	fake_expect_log(test, 0, 0, 0, 0);
}

/* The batch was built, and has failed, before somebody else fenced the master */
static void arm_smmu_atc_test_fenced_is_not_retried(struct kunit *test)
{
	fake_attach(test, 2, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_batch(test, 2));
	fake_flush(test);
	fake_forget_log(test);

	fake_recover(test);
	KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, 0), 0);
	fake_expect_log(test, 1, 0, 1, 0);
	fake_expect_fenced_only(test, 0, 0);
}

/* Somebody else was about to fence it, and we have interrupted him */
static void arm_smmu_atc_test_fencing_is_helped(struct kunit *test)
{
	fake_attach(test, 2, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_batch(test, 2));
	fake_begin_fence(test, 0);
	fake_forget_log(test);

	fake_recover(test);
	KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, 0), 0);
	/* A CMD_SYNC for who is asked, one for who is fenced */
	fake_expect_log(test, 1, 1, 2, 0);
	fake_expect_fenced_only(test, 0, 0);
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

	fake_attach(test, 2, 1, 1);
	fake->on_error = fake_fence_on_2nd_error;
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	/* Its retry has failed, too, and that is all */
	fake_expect_log(test, 2 + 2, 0, 1 + 2, 2);
	KUNIT_EXPECT_EQ(test, fake_master(test, 0)->fence.state,
			ARM_SMMU_ATC_FENCED);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced), 1);
	KUNIT_EXPECT_EQ(test, fake_count_reports(test, 0), 0);
}

/*
 * FENCING says nothing about what the SMMU goes by. The others are fenced, so
 * that it is looked at.
 */
static void arm_smmu_atc_test_fencing_is_not_skipped(struct kunit *test)
{
	fake_attach(test, 3, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_sid(test, 2)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_forget_log(test);

	fake_sid(test, 1)->timeouts = FAKE_DEAD;
	fake_begin_fence(test, 1);
	fake_flush(test);
	fake_expect_log(test, 1, 1, 2, 1);
	fake_expect_fenced_only(test, 0, 2);
}

/* Its queue has stopped for something else, too: make sure */
static void arm_smmu_atc_test_other_error_dead(struct kunit *test)
{
	fake_attach(test, 1, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_batch(test, 1));
	fake_recover_from(test, -EIO);
	fake_expect_log(test, 2, 1, 3, 2);
	fake_expect_fenced_only(test, 0, 0);
}

static void arm_smmu_atc_test_other_error_answers_retry(struct kunit *test)
{
	fake_attach(test, 1, 1, 1);
	fake_sid(test, 0)->timeouts = 1;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_batch(test, 1));
	fake_recover_from(test, -EIO);
	fake_expect_log(test, 2, 0, 2, 1);
	fake_expect_none_fenced(test);
}

static struct fake_smmu *fake_of(struct arm_smmu_device *smmu)
{
	return container_of(smmu, struct fake_smmu, smmu);
}

static struct arm_smmu_cmdq *fake_get_no_cmdq(struct arm_smmu_device *smmu,
					      struct arm_smmu_cmd *cmd)
{
	return NULL;
}

static struct arm_smmu_cmdq *fake_get_cmdq2(struct arm_smmu_device *smmu,
					    struct arm_smmu_cmd *cmd)
{
	return &fake_of(smmu)->cmdq2;
}

/* As with one for each CPU, and one that is migrated each time */
static struct arm_smmu_cmdq *fake_get_other_cmdq(struct arm_smmu_device *smmu,
						 struct arm_smmu_cmd *cmd)
{
	struct fake_smmu *fake = fake_of(smmu);

	return fake->go_at++ % 2 ? &fake->cmdq2 : NULL;
}

static const struct arm_smmu_impl_ops fake_no_cmdq_ops = {
	.get_secondary_cmdq = fake_get_no_cmdq,
};

static const struct arm_smmu_impl_ops fake_cmdq2_ops = {
	.get_secondary_cmdq = fake_get_cmdq2,
};

static const struct arm_smmu_impl_ops fake_other_cmdq_ops = {
	.get_secondary_cmdq = fake_get_other_cmdq,
};

/* A queue as the VCMDQs of a Tegra241: it has a GERROR of its own */
static void fake_add_queue(struct kunit *test,
			   const struct arm_smmu_impl_ops *ops)
{
	struct fake_smmu *fake = test->priv;

	fake_init_cmdq(test, fake, &fake->cmdq2, FAKE_VCMDQ_GERROR,
		       FAKE_VCMDQ_PROD);
	fake->smmu.impl_ops = ops;
}

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

static void arm_smmu_atc_test_vcmdq(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 3, 1, 1);
	fake_add_queue(test, &fake_cmdq2_ops);
	fake_sid(test, 1)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_expect_log(test, 3 + 3, 1, 1 + 3 + 1, 2);
	fake_expect_on_queue(test, CMDQ_OP_ATC_INV, &fake->cmdq2);
	/* Which a VCMDQ does not take */
	fake_expect_on_queue(test, CMDQ_OP_CFGI_STE, &fake->smmu.cmdq);
	KUNIT_EXPECT_EQ(test, readl(fake->smmu.cmdq.gerror_reg), 0);
	fake_expect_fenced_only(test, 1, 1);
	fake_expect_no_errs_left(test);
}

static void arm_smmu_atc_test_vcmdq_alone(struct kunit *test)
{
	fake_attach(test, 1, 1, 1);
	fake_add_queue(test, &fake_cmdq2_ops);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	/* It could have been the timeout of another queue's command: asked again */
	fake_expect_log(test, 2, 1, 3, 2);
	fake_expect_fenced_only(test, 0, 0);
}

/* An implementation may have hooks, but no other queue */
static void arm_smmu_atc_test_impl_alone(struct kunit *test)
{
	static const struct arm_smmu_impl_ops no_ops;
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1, 1, 1);
	fake->smmu.impl_ops = &no_ops;
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_expect_log(test, 1, 1, 2, 1);
	fake_expect_fenced_only(test, 0, 0);

	/* So a reset asks once, too */
	fake_sid(test, 0)->timeouts = 1;
	arm_smmu_atc_reset_done(fake_master(test, 0));
	fake_expect_fenced_only(test, 0, 0);
}

/* The first answer to a reset's question may have been for another queue */
static void arm_smmu_atc_test_vcmdq_reset(struct kunit *test)
{
	fake_attach(test, 1, 1, 1);
	fake_add_queue(test, &fake_cmdq2_ops);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_sid(test, 0)->timeouts = 1;
	arm_smmu_atc_reset_done(fake_master(test, 0));
	KUNIT_EXPECT_EQ(test, fake_master(test, 0)->fence.state,
			ARM_SMMU_ATC_OK);
}

/* What a guest has sent by its own queue, another queue's CMD_SYNC reports */
static void arm_smmu_atc_test_vcmdq_of_guest(struct kunit *test)
{
	struct arm_smmu_cmd cmd =
		arm_smmu_make_cmd_atc_inv_all(FAKE_FIRST_SID + 1, 0);
	struct fake_smmu *fake = test->priv;

	fake_cpu_or_skip(test);
	fake_attach(test, 1, 1, 1);
	fake_add_master(test, 1);
	fake_add_queue(test, &fake_no_cmdq_ops);
	fake_sid(test, 1)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, 0,
			arm_smmu_cmdq_issue_cmdlist(&fake->smmu, &fake->cmdq2,
						    &cmd, 1, false));
	fake_settle(fake);
	fake_flush(test);
	/* Whose it was nobody knows, but it was not the one that was asked */
	fake_expect_log(test, 1 + 2, 0, 2, 1);
	fake_expect_none_fenced(test);
}

/*
 * What becomes of that does not matter to the host: a domain that a guest nests
 * in has all of the ATC invalidated, by a command of the host's own.
 */
static void arm_smmu_atc_test_all_of_atc(struct kunit *test)
{
	struct arm_smmu_cmd cmd =
		arm_smmu_make_cmd_atc_inv_all(FAKE_FIRST_SID + 1, 0);
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_invs *invs;
	unsigned int i;

	fake_cpu_or_skip(test);
	fake_attach(test, 2, 1, 1);
	fake_add_queue(test, &fake_no_cmdq_ops);
	invs = rcu_dereference_protected(fake->domain.invs, true);
	for (i = 0; i < invs->num_invs; i++)
		invs->inv[i].type = INV_TYPE_ATS_FULL;
	fake_sid(test, 1)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, 0,
			arm_smmu_cmdq_issue_cmdlist(&fake->smmu, &fake->cmdq2,
						    &cmd, 1, false));
	fake_settle(fake);
	fake_forget_log(test);
	fake_flush(test);
	fake_expect_fenced_only(test, 1, 1);
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
	struct arm_smmu_invs *invs;
	unsigned int i;

	fake_cpu_or_skip(test);
	fake_attach(test, 40, 1, 5);
	fake_add_queue(test, &fake_other_cmdq_ops);
	invs = rcu_dereference_protected(fake->domain.invs, true);
	for (i = 0; i < invs->num_invs; i++) {
		struct arm_smmu_inv *inv = &invs->inv[i];

		inv->type = INV_TYPE_S1_ASID;
		inv->size_opcode = CMDQ_OP_TLBI_NH_VA;
		inv->nsize_opcode = CMDQ_OP_TLBI_NH_ASID;
		inv->id = i;
		inv->ssid = 0;
	}
	invs->has_ats = false;
	arm_smmu_domain_inv_range(&fake->domain, 0, 0, 0, false);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_TLBI_NH_ASID), 200);
	fake_expect_log(test, 0, 0, 1, 0);
	fake_expect_on_queue(test, CMDQ_OP_TLBI_NH_ASID, fake->log[0].cmdq);
	fake_expect_on_queue(test, CMDQ_OP_CMD_SYNC, fake->log[0].cmdq);
}

static void arm_smmu_atc_test_illegal_alone(struct kunit *test)
{
	fake_attach(test, 1, 1, 1);
	fake_fault(test, 0, CMDQ_ERR_CERROR_ILL_IDX);
	fake_flush(test);
	/* It was never executed, and nobody is to blame. 2 CMD_SYNCs, 1 retry */
	fake_expect_log(test, 1, 0, 3, 1);
	fake_expect_none_fenced(test);
}

static void arm_smmu_atc_test_illegal_among_others(struct kunit *test)
{
	fake_attach(test, 3, 1, 1);
	fake_fault(test, 1, CMDQ_ERR_CERROR_ILL_IDX);
	fake_flush(test);
	/* 2 of 3 were executed, all 3 are asked again */
	fake_expect_log(test, 2 + 3, 0, 2 + 3, 1);
	fake_expect_none_fenced(test);
}

static void arm_smmu_atc_test_abort_among_others(struct kunit *test)
{
	fake_attach(test, 3, 1, 1);
	fake_fault(test, 1, CMDQ_ERR_CERROR_ABT_IDX);
	fake_flush(test);
	/* One was fetched twice: all 3 were executed, and answered */
	fake_expect_log(test, 3, 0, 1, 1);
	fake_expect_none_fenced(test);
}

static void arm_smmu_atc_test_abort_and_dead(struct kunit *test)
{
	fake_attach(test, 3, 1, 1);
	fake_sid(test, 2)->timeouts = FAKE_DEAD;
	fake_fault(test, 1, CMDQ_ERR_CERROR_ABT_IDX);
	fake_flush(test);
	fake_expect_log(test, 3 + 3, 1, 1 + 3 + 1, 3);
	fake_expect_fenced_only(test, 2, 2);
}

/* Asked again, it has not answered that either */
static void arm_smmu_atc_test_illegal_in_retry(struct kunit *test)
{
	fake_attach(test, 2, 1, 1);
	fake_sid(test, 0)->timeouts = 1;
	/* Two CMD_ATC_INVs and their CMD_SYNC are before it */
	fake_fault(test, 3, CMDQ_ERR_CERROR_ILL_IDX);
	fake_flush(test);
	fake_expect_log(test, 2 + 1, 1, 1 + 2 + 1 + 1, 2);
	fake_expect_fenced_only(test, 0, 0);
}

static void arm_smmu_atc_test_illegal_and_dead(struct kunit *test)
{
	fake_attach(test, 3, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_fault(test, 1, CMDQ_ERR_CERROR_ILL_IDX);
	fake_flush(test);
	/* What became a CMD_SYNC waits, too, and fails in place of the real one */
	fake_expect_log(test, 2 + 3, 1, 2 + 3 + 1, 3);
	fake_expect_fenced_only(test, 0, 0);
}

static void arm_smmu_atc_test_cfgi_error(struct kunit *test)
{
	fake_attach(test, 1, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	/* CMD_ATC_INV and CMD_SYNC, then CMD_CFGI_STE */
	fake_fault(test, 2, CMDQ_ERR_CERROR_ILL_IDX);
	fake_flush(test);
	/* What became a CMD_SYNC was not executed: CMD_CFGI_STE is repeated */
	fake_expect_log(test, 1, 1, 1 + 2 + 1, 2);
	fake_expect_fenced_only(test, 0, 0);
}

/* As before, with that of the first of several Stream IDs */
static void arm_smmu_atc_test_cfgi_error_of_first(struct kunit *test)
{
	fake_attach(test, 1, 2, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	/* Two CMD_ATC_INVs and one, with their CMD_SYNCs, then CMD_CFGI_STE */
	fake_fault(test, 5, CMDQ_ERR_CERROR_ILL_IDX);
	fake_flush(test);
	fake_expect_fenced_only(test, 0, 0);
}

static void fake_fault_at_next_cfgi(struct fake_smmu *fake)
{
	/* After the CMD_SYNC, or two of which one was a CMD_CFGI_STE */
	fake->fault_at = fake->log_num + (fake->errors == 1 ? 1 : 2);
	fake->fault = CMDQ_ERR_CERROR_ILL_IDX;
}

/* An SMMU that does not take the fence: not for ever, and not in vain */
static void arm_smmu_atc_test_cfgi_never(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1, 1, 1);
	fake->on_error = fake_fault_at_next_cfgi;
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_expect_log(test, 1, 0, 1 + 2 * 8, 1 + 8);
	fake_expect_stopped(test);
}

/* In between: CMD_CFGI_STE after EATS = 0, a CMD_SYNC after it, then we return */
static void arm_smmu_atc_test_order(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	static const u8 ops[] = {
		CMDQ_OP_ATC_INV, CMDQ_OP_CMD_SYNC,
		CMDQ_OP_CFGI_STE, CMDQ_OP_CMD_SYNC,
	};
	unsigned int i;

	fake_attach(test, 1, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_batch(test, 1));
	fake_recover(test);

	KUNIT_ASSERT_EQ(test, fake->log_num, ARRAY_SIZE(ops));
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		KUNIT_EXPECT_EQ(test, fake_log_op(fake, i), ops[i]);
	KUNIT_EXPECT_FALSE(test, fake_sid(test, 0)->eats);
}

static void fake_store_stes_now(struct fake_smmu *fake, u8 op)
{
	unsigned int i;

	for (i = 0; i < fake->num_masters; i++)
		fake_store_stes(fake, &fake->masters[i].master);
}

/* An attach has decided for EATS, and stores it at the worst of times */
static void arm_smmu_atc_test_attach_while_fencing(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 2, 2, 1);
	fake->before_cmd = fake_store_stes_now;
	fake_sid(test, 1)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_store_stes_now(fake, 0);
	fake_expect_fenced_only(test, 0, 0);
}

static void arm_smmu_atc_test_master_gone(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_batch(test, 1));
	xa_erase(&fake->smmu.streams, FAKE_FIRST_SID);
	fake_forget_log(test);

	/* Its STE may be somebody else's, and its DMA was aborted */
	arm_smmu_atc_recover(&fake->smmu, &fake->batch, -ETIMEDOUT);
	fake_expect_log(test, 0, 0, 0, 0);
	fake_expect_none_fenced(test);
}

/* A flush with an array that still has it, and with others that are fenced */
static void arm_smmu_atc_test_gone_is_not_skipped(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 3, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_sid(test, 2)->timeouts = FAKE_DEAD;
	fake_flush(test);
	xa_erase(&fake->smmu.streams, FAKE_FIRST_SID + 1);
	fake_forget_log(test);

	fake_flush(test);
	KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, 1), 1);
	fake_expect_log(test, 1, 0, 1, 0);
}

/* Looked up before it was taken out, so that the look-up has yet to end */
static void arm_smmu_atc_test_master_going(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_batch(test, 1));
	arm_smmu_atc_release_master(fake_master(test, 0));
	fake_forget_log(test);

	arm_smmu_atc_recover(&fake->smmu, &fake->batch, -ETIMEDOUT);
	fake_expect_log(test, 0, 0, 0, 0);
	fake_expect_words(test, fake_master(test, 0), FAKE_STE_WORD_EATS);
}

/* Another device has got the Stream ID of one that did not answer */
static void arm_smmu_atc_test_successor(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 2, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_batch(test, 1));
	arm_smmu_atc_release_master(fake_master(test, 0));
	xa_store(&fake->smmu.streams, FAKE_FIRST_SID, fake_master(test, 1),
		 GFP_KERNEL);
	fake_sid(test, 0)->timeouts = 0;

	/* Not to blame for what its predecessor did: asked once more */
	fake_recover(test);
	fake_expect_log(test, 2, 0, 2, 1);
	fake_expect_usable(test, 1);
}

/*
 * Resets
 */

static void arm_smmu_atc_test_reset_lifts_fence(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_master *master;

	fake_attach(test, 2, 2, 1);
	master = fake_master(test, 0);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	KUNIT_EXPECT_FALSE(test, fake_store_stes(fake, master));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced), 1);

	fake_reset(fake, master);
	KUNIT_EXPECT_EQ(test, master->fence.state, ARM_SMMU_ATC_OK);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced), 0);
	/* Not the reset brings EATS back, but the next attach */
	fake_expect_words(test, master, FAKE_STE_WORD_FENCED);
	KUNIT_EXPECT_TRUE(test, fake_store_stes(fake, master));
	fake_expect_words(test, master, FAKE_STE_WORD_EATS);

	fake_forget_log(test);
	fake_flush(test);
	fake_expect_log(test, 4, 0, 1, 0);
}

static void arm_smmu_atc_test_reset_of_healthy(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 2, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_reset(fake, fake_master(test, 1));
	fake_expect_fenced_only(test, 0, 0);
}

static void arm_smmu_atc_test_reset_before_fence(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_batch(test, 1));
	fake_reset(fake, fake_master(test, 0));

	/* The blame is from before the reset: ask once more */
	fake_recover(test);
	fake_expect_log(test, 2, 0, 2, 1);
	fake_expect_none_fenced(test);
}

static void arm_smmu_atc_test_reset_in_vain(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_batch(test, 1));
	fake_reset(fake, fake_master(test, 0));
	fake_sid(test, 0)->timeouts = FAKE_DEAD;

	fake_recover(test);
	fake_expect_log(test, 2, 1, 3, 2);
	fake_expect_fenced_only(test, 0, 0);
}

/* The reset has succeeded, as far as anybody knows, and changed nothing */
static void arm_smmu_atc_test_reset_of_deaf(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_forget_log(test);

	arm_smmu_atc_reset_done(fake_master(test, 0));
	KUNIT_EXPECT_EQ(test, IS_ENABLED(CONFIG_PRINTK),
			fake_count_lines(test, 0, "Stream ID"));
	fake_expect_log(test, 1, 0, 1, 1);
	/* An attach that would let it use what it has cached */
	fake_store_stes(fake, fake_master(test, 0));
	fake_expect_fenced_only(test, 0, 0);
}

/* Nobody has asked it */
static void arm_smmu_atc_test_reset_of_stopped(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_switch(fake, false);
	arm_smmu_atc_reset_done(fake_master(test, 0));
	KUNIT_EXPECT_EQ(test, fake_master(test, 0)->fence.state,
			ARM_SMMU_ATC_FENCED);
	KUNIT_EXPECT_EQ(test, 0, fake_count_lines(test, 0, "Stream ID"));
}

static void fake_reset_on_2nd_error(struct fake_smmu *fake)
{
	if (fake->errors == 2)
		fake_reset(fake, &fake->masters[0].master);
}

static void arm_smmu_atc_test_reset_during_retry(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 2, 1, 1);
	fake->on_error = fake_reset_on_2nd_error;
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	/* The retry failed before the reset: there is another one */
	KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, 0), 3);
	fake_expect_log(test, 2 + 3, 0, 1 + 3, 2);
	fake_expect_none_fenced(test);
}

static void fake_reset_before_cfgi(struct fake_smmu *fake, u8 op)
{
	struct fake_sid *s = &fake->sids[FAKE_FIRST_SID];

	if (op != CMDQ_OP_CFGI_STE)
		return;

	/* As it has answered the driver, who cannot be asked from here */
	WRITE_ONCE(s->timeouts, 0);
	bitmap_zero(s->cached, 64);
	arm_smmu_atc_lift(&fake->masters[0].master, ARM_SMMU_ATC_OK);
}

static void arm_smmu_atc_test_reset_during_fence(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1, 1, 1);
	fake->before_cmd = fake_reset_before_cfgi;
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	/* Its ATC is empty: the flush is complete without a fence */
	KUNIT_EXPECT_EQ(test, fake_master(test, 0)->fence.state,
			ARM_SMMU_ATC_OK);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced), 0);
	KUNIT_EXPECT_EQ(test, fake_count_reports(test, 0), 0);
}

/*
 * Several at once
 */

/* Has a CPU of its own, so that it runs whatever the others wait for */
struct fake_thread {
	struct kunit *test;
	int (*fn)(struct fake_thread *thread);
	unsigned int id;
	struct task_struct *task;
	struct completion done;
	struct rnd_state rnd;
	int ret;
};

static int fake_run_thread(void *data)
{
	struct fake_thread *thread = data;

	thread->ret = thread->fn(thread);
	/* Whoever waits may unload this module next */
	kthread_complete_and_exit(&thread->done, 0);
}

/* Run @fn, and @others on up to @num CPUs in all. Returns how many it were. */
static unsigned int fake_run(struct kunit *test, struct fake_thread *threads,
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
	/* The first shares our CPU, and may not let us go on before it is done */
	while (i--)
		wake_up_process(threads[i].task);
	for (i = 0; i < num; i++)
		wait_for_completion(&threads[i].done);
	return num;
}

/* Each at an address of its own. Returns whether somebody can use it still. */
static int fake_flush_thread(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;

	fake_cache(fake, &fake->domain, thread->id);
	arm_smmu_domain_inv_range(&fake->domain, FAKE_FLUSH_IOVA(thread->id),
				  SZ_4K, SZ_4K, true);
	return fake_has_escaped(fake, &fake->domain, thread->id);
}

static int fake_tlbi_thread(struct fake_thread *thread)
{
	int i, ret = 0;

	for (i = 0; i < 8; i++)
		ret |= fake_issue_tlbi(thread->test, 3, true);
	return ret;
}

static void arm_smmu_atc_test_two_flushes(struct kunit *test)
{
	struct fake_thread threads[2];
	int i;

	fake_attach(test, 2, 1, 1);
	for (i = 0; i < 4; i++) {
		fake_forget_log(test);
		fake_sid(test, 0)->timeouts = FAKE_DEAD;
		fake_run(test, threads, 2, 2, fake_flush_thread,
			 fake_flush_thread);

		KUNIT_EXPECT_FALSE(test, threads[0].ret);
		KUNIT_EXPECT_FALSE(test, threads[1].ret);
		fake_expect_no_escape(test);
		fake_expect_fenced_only(test, 0, 0);
		fake_expect_no_errs_left(test);
		fake_reset_and_attach(test, 0);
	}
}

/* One fails, the others come across its error more often than not */
static void arm_smmu_atc_test_flush_and_innocent(struct kunit *test)
{
	struct fake_thread threads[FAKE_MAX_THREADS];
	unsigned int i, j, num;

	fake_attach(test, 2, 1, 1);
	for (i = 0; i < 8; i++) {
		fake_sid(test, 0)->timeouts = FAKE_DEAD;
		num = fake_run(test, threads, ARRAY_SIZE(threads), 2,
			       fake_flush_thread, fake_tlbi_thread);

		/* Whoever takes it, the error is the first one's */
		KUNIT_EXPECT_FALSE(test, threads[0].ret);
		for (j = 1; j < num; j++)
			KUNIT_EXPECT_EQ(test, threads[j].ret, 0);
		fake_expect_no_escape(test);
		fake_expect_no_errs_left(test);
		fake_reset_and_attach(test, 0);
	}
}

/*
 * M flushes that have failed at once: one finds out who it was, the others wait
 * for nothing but what is in the queue anyway. So it takes M + 1 timeouts, unless
 * the host stops the one that finds out: of several tries one has to show it.
 */
static void arm_smmu_atc_test_many_flushes(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	unsigned int errors = UINT_MAX, num, i, try;
	struct fake_thread threads[FAKE_MAX_THREADS];

	fake_attach(test, 4, 1, 1);
	num = clamp(num_online_cpus(), 2, ARRAY_SIZE(threads) + 1) - 1;
	for (try = 0; try < 8 && errors > num + 1; try++) {
		fake_forget_log(test);
		fake_sid(test, 2)->timeouts = FAKE_DEAD;
		/* All batches are in the queue before the first is answered */
		WRITE_ONCE(fake->hold, num * (4 + 1));
		fake_run(test, threads, num, 2, fake_flush_thread,
			 fake_flush_thread);
		errors = min(errors, fake->errors);

		for (i = 0; i < num; i++)
			KUNIT_EXPECT_FALSE(test, threads[i].ret);
		fake_expect_fenced_only(test, 2, 2);
		fake_reset_and_attach(test, 2);
	}
	KUNIT_EXPECT_LE(test, errors, num + 1);
}

/* Somebody was finding out, and was interrupted by this flush, or is no more */
static void arm_smmu_atc_test_retry_of_nobody(struct kunit *test)
{
	fake_attach(test, 2, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	WRITE_ONCE(fake_master(test, 0)->fence.retrying, true);
	WRITE_ONCE(fake_master(test, 1)->fence.retrying, true);
	fake_flush(test);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_ATC_INV), 2 + 2);
	fake_expect_fenced_only(test, 0, 0);
	KUNIT_EXPECT_FALSE(test, fake_master(test, 0)->fence.retrying);
	KUNIT_EXPECT_FALSE(test, fake_master(test, 1)->fence.retrying);
}

/* As iommu_unmap() may be called */
static void arm_smmu_atc_test_irqs_off(struct kunit *test)
{
	unsigned long flags;

	fake_attach(test, 3, 1, 1);
	fake_sid(test, 1)->timeouts = FAKE_DEAD;
	fake_cpu_or_skip(test);
	local_irq_save(flags);
	fake_flush(test);
	KUNIT_EXPECT_TRUE(test, irqs_disabled());
	local_irq_restore(flags);
	fake_expect_log(test, 3 + 3, 1, 1 + 3 + 1, 2);
	fake_expect_fenced_only(test, 1, 1);
}

static void fake_nested_flush(struct irq_work *work)
{
	struct fake_smmu *fake = container_of(work, struct fake_smmu, nested);
	struct arm_smmu_master *master = &fake->masters[0].master;

	fake->nested_state = READ_ONCE(master->fence.state);
	fake_cache(fake, &fake->domain, 1);
	arm_smmu_domain_inv_range(&fake->domain, FAKE_FLUSH_IOVA(1), SZ_4K,
				  SZ_4K, true);
	if (fake_has_escaped(fake, &fake->domain, 1))
		fake_complain(fake, "the nested flush let something escape");
	if (READ_ONCE(master->fence.state) != ARM_SMMU_ATC_FENCED)
		fake_complain(fake, "the nested flush did not help");
	complete(&fake->go);
}

/* Where a flush may be: an interrupt, but none that PREEMPT_RT leaves one */
static void fake_interrupt(void *data)
{
	struct fake_smmu *fake = data;

	irq_work_queue(&fake->nested);
}

/* The interrupt is pending until the fence has completed its CMD_SYNC */
static void fake_interrupt_fence(struct fake_smmu *fake, u8 op)
{
	if (op == CMDQ_OP_CFGI_STE && fake->go_at && !--fake->go_at)
		smp_call_function_single_async(cpumask_first(cpu_online_mask),
					       &fake->interrupt);
}

/* A flush in an interrupt on the CPU that is fencing the same master */
static void arm_smmu_atc_test_nested_in_fence(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	init_irq_work(&fake->nested, fake_nested_flush);
	INIT_CSD(&fake->interrupt, fake_interrupt, fake);
	fake->before_cmd = fake_interrupt_fence;
	fake->go_at = 1;
	fake_attach(test, 1, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_issue_batch(test, 1));
	fake_recover(test);
	wait_for_completion(&fake->go);
	KUNIT_EXPECT_EQ(test, fake->nested_state, ARM_SMMU_ATC_FENCING);
	fake_expect_log(test, 2, 2, 2 + 2, 2);
	fake_expect_fenced_only(test, 0, 0);
}

/*
 * A queue that stands still and is filled: what the hardware has not consumed
 * must not be overwritten, and nobody may take a timeout of the driver for the
 * end of the wait. With MSIs it takes two of them for the driver to look at CONS.
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

	/* The one who waits has got its place */
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

static void arm_smmu_atc_test_hang(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct fake_thread threads[2];
	unsigned int i, asid, n = 0;

	fake->smmu.options |= ARM_SMMU_OPT_MSIPOLL;
	WRITE_ONCE(fake->hung_until, KTIME_MAX);
	fake_run(test, threads, 2, 2, fake_wait_thread, fake_fill_thread);
	KUNIT_EXPECT_EQ(test, threads[0].ret, 0);
	KUNIT_EXPECT_EQ(test, threads[1].ret, 0);
	fake_settle(fake);

	/* Each once, and in their order */
	for (i = 0; i < fake->log_num; i++) {
		if (fake_log_op(fake, i) != CMDQ_OP_TLBI_NH_ALL)
			continue;
		asid = FIELD_GET(CMDQ_TLBI_0_ASID, fake->log[i].cmd.data[0]);
		KUNIT_EXPECT_EQ(test, asid, n);
		n++;
	}
	KUNIT_EXPECT_EQ(test, n, 2 * FAKE_Q_ENTS);
	fake_expect_log(test, 0, 0, 1, 0);
	KUNIT_EXPECT_FALSE(test, fake->smmu.stopped);
}

/*
 * The fence against an attach
 */

enum fake_ste {
	FAKE_STE_ABORT,
	FAKE_STE_BYPASS,
	FAKE_STE_S1,
	FAKE_STE_S1_OTHER,
	FAKE_STE_S1_NO_ATS,
	FAKE_STE_S1DSS_BYPASS,
	FAKE_STE_S2,
	FAKE_STE_NESTED,
};

static const struct fake_transition {
	const char *name;
	enum fake_ste from, to;
} fake_transitions[] = {
	{ "blocked to paging", FAKE_STE_ABORT, FAKE_STE_S1 },
	{ "paging to blocked", FAKE_STE_S1, FAKE_STE_ABORT },
	{ "paging to paging", FAKE_STE_S1, FAKE_STE_S1_OTHER },
	{ "paging to the same", FAKE_STE_S1, FAKE_STE_S1 },
	{ "ATS off", FAKE_STE_S1, FAKE_STE_S1_NO_ATS },
	{ "ATS on", FAKE_STE_S1_NO_ATS, FAKE_STE_S1 },
	{ "paging to identity", FAKE_STE_S1, FAKE_STE_BYPASS },
	{ "identity to paging", FAKE_STE_BYPASS, FAKE_STE_S1 },
	{ "first PASID of identity", FAKE_STE_BYPASS, FAKE_STE_S1DSS_BYPASS },
	/* The downgrade of the CD table */
	{ "last PASID of identity", FAKE_STE_S1DSS_BYPASS, FAKE_STE_BYPASS },
	{ "stage 1 to stage 2", FAKE_STE_S1, FAKE_STE_S2 },
	{ "stage 2 to stage 1", FAKE_STE_S2, FAKE_STE_S1 },
	{ "paging to nested", FAKE_STE_S2, FAKE_STE_NESTED },
	{ "nested to paging", FAKE_STE_NESTED, FAKE_STE_S2 },
	{ "nested to blocked", FAKE_STE_NESTED, FAKE_STE_ABORT },
	{ "blocked to nested", FAKE_STE_ABORT, FAKE_STE_NESTED },
	{ "stage 1 to nested", FAKE_STE_S1, FAKE_STE_NESTED },
};

KUNIT_ARRAY_PARAM_DESC(fake_transition, fake_transitions, name);

static void fake_make_s2_ste(struct arm_smmu_master *master,
			     struct arm_smmu_ste *ste)
{
	struct io_pgtable pgtable = {};
	struct arm_smmu_domain smmu_domain = { .pgtbl_ops = &pgtable.ops };

	pgtable.cfg.arm_lpae_s2_cfg.vttbr = 0x600000;
	pgtable.cfg.arm_lpae_s2_cfg.vtcr.tsz = 24;
	arm_smmu_make_s2_domain_ste(ste, master, &smmu_domain, true);
}

static void fake_make_ste(struct arm_smmu_master *master, enum fake_ste which,
			  struct arm_smmu_ste *ste)
{
	struct arm_smmu_ste s2;
	unsigned int i;

	memset(ste, 0, sizeof(*ste));
	switch (which) {
	case FAKE_STE_ABORT:
		arm_smmu_make_abort_ste(ste);
		break;
	case FAKE_STE_BYPASS:
		arm_smmu_make_bypass_ste(master->smmu, ste);
		break;
	case FAKE_STE_S1_OTHER:
		master->cd_table.cdtab_dma = FAKE_CDTAB_DMA + SZ_64K;
		fallthrough;
	case FAKE_STE_S1:
		arm_smmu_make_cdtable_ste(ste, master, true,
					  STRTAB_STE_1_S1DSS_SSID0);
		master->cd_table.cdtab_dma = FAKE_CDTAB_DMA;
		break;
	case FAKE_STE_S1_NO_ATS:
		arm_smmu_make_cdtable_ste(ste, master, false,
					  STRTAB_STE_1_S1DSS_SSID0);
		break;
	case FAKE_STE_S1DSS_BYPASS:
		arm_smmu_make_cdtable_ste(ste, master, true,
					  STRTAB_STE_1_S1DSS_BYPASS);
		break;
	case FAKE_STE_S2:
		fake_make_s2_ste(master, ste);
		break;
	case FAKE_STE_NESTED:
		arm_smmu_make_cdtable_ste(ste, master, true,
					  STRTAB_STE_1_S1DSS_SSID0);
		fake_make_s2_ste(master, &s2);
		ste->data[0] |= cpu_to_le64(FIELD_PREP(STRTAB_STE_0_CFG,
						STRTAB_STE_0_CFG_NESTED));
		ste->data[1] |= cpu_to_le64(STRTAB_STE_1_MEV);
		for (i = 2; i < ARRAY_SIZE(ste->data); i++)
			ste->data[i] = s2.data[i];
		break;
	}
}

/* As if it had been attached like that for long */
static void fake_put_ste(struct fake_smmu *fake, u32 sid,
			 const struct arm_smmu_ste *ste)
{
	*fake_ste(fake, sid) = *ste;
	fake->sids[sid].ste = *ste;
	fake->sids[sid].eats = fake_ste_has_eats(ste);
}

/* Let the fence begin when the attach has sent the go_at-th command */
static void fake_go_before_cmd(struct fake_smmu *fake, u8 op)
{
	enum arm_smmu_atc_state *state = &fake->masters[0].master.fence.state;
	ktime_t until;

	if (!fake->go_at || --fake->go_at)
		return;

	complete(&fake->go);
	until = ktime_add_ms(ktime_get(), FAKE_UNSEEN_MS);
	while (READ_ONCE(*state) == ARM_SMMU_ATC_OK &&
	       !READ_ONCE(fake->stopping)) {
		if (ktime_after(ktime_get(), until)) {
			fake_complain(fake, "the fence does not begin");
			return;
		}
	}
}

static int fake_attach_thread(struct fake_thread *thread)
{
	const struct fake_transition *transition = thread->test->param_value;
	struct fake_smmu *fake = thread->test->priv;
	struct arm_smmu_master *master = &fake->masters[0].master;
	struct arm_smmu_ste target;
	bool too_late;

	fake_make_ste(master, transition->to, &target);
	arm_smmu_install_ste_for_dev(master, &target);
	fake_settle(fake);

	/* The attach is over, and the fence has yet to begin */
	too_late = fake->go_at;
	if (too_late) {
		fake->go_at = 0;
		complete(&fake->go);
	}
	return too_late;
}

static int fake_fence_thread(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;

	wait_for_completion(&fake->go);
	arm_smmu_atc_recover(&fake->smmu, &fake->batch, -ETIMEDOUT);
	return fake_sid(thread->test, 0)->eats;
}

/*
 * The fence begins before the attach, when the attach is at each of its commands,
 * that is, between any two of the stores that the SMMU is told of, and after it.
 * fake_check() looks for EATS meanwhile. Neither may undo what the other has done.
 */
static void arm_smmu_atc_test_attach_steps(struct kunit *test)
{
	const struct fake_transition *transition = test->param_value;
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_ste from, target, *ste;
	struct fake_thread threads[2] = {};
	struct arm_smmu_master *master;
	unsigned int at;

	fake_cpu_or_skip(test);
	fake_add_master(test, 1);
	master = fake_master(test, 0);
	ste = fake_ste(fake, FAKE_FIRST_SID);
	fake_make_ste(master, transition->from, &from);
	fake_make_ste(master, transition->to, &target);
	target.data[1] &= ~cpu_to_le64(STRTAB_STE_1_EATS);

	for (at = 0; !threads[0].ret; at++) {
		fake_put_ste(fake, FAKE_FIRST_SID, &from);
		fake_sid(test, 0)->timeouts = FAKE_DEAD;
		KUNIT_ASSERT_EQ(test, -ETIMEDOUT, fake_issue_batch(test, 1));
		if (!at) {
			fake_recover(test);
			fake_attach_thread(&(struct fake_thread){ test });
		} else {
			fake->before_cmd = fake_go_before_cmd;
			fake->go_at = at;
			fake_run(test, threads, 2, 2, fake_attach_thread,
				 fake_fence_thread);
			KUNIT_EXPECT_EQ(test, threads[1].ret, 0);
		}
		fake_settle(fake);
		fake_expect_no_escape(test);

		KUNIT_EXPECT_EQ(test, master->fence.state, ARM_SMMU_ATC_FENCED);
		KUNIT_EXPECT_MEMEQ(test, ste->data, target.data, sizeof(*ste));
		/* And the SMMU was told all of it */
		KUNIT_EXPECT_MEMEQ(test, fake_sid(test, 0)->ste.data,
				   target.data, sizeof(*ste));
		fake->before_cmd = NULL;
		fake_reset(fake, master);
	}
}

#define FAKE_STORES	30000

static int fake_store_thread(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;
	__le64 *word = &fake_ste(fake, FAKE_FIRST_SID)->data[1];
	u64 val, stored;
	unsigned int i;
	int ret = 0;

	for (i = 0; !completion_done(&fake->go); i++) {
		val = FIELD_PREP(STRTAB_STE_1_EATS, STRTAB_STE_1_EATS_TRANS) |
		      FIELD_PREP(STRTAB_STE_1_S1DSS, i % 3) | (u64)i << 32;
		arm_smmu_atc_set_ste_qword(&fake->masters[0].master, word,
					   cpu_to_le64(val));
		stored = le64_to_cpu(READ_ONCE(*word));
		if ((stored ^ val) & ~STRTAB_STE_1_EATS)
			ret = -EINVAL;
		WRITE_ONCE(fake->go_at, i);
	}
	return ret;
}

static int fake_clear_thread(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;
	struct arm_smmu_atc_fence *fence = &fake->masters[0].master.fence;
	struct arm_smmu_ste *ste = fake_ste(fake, FAKE_FIRST_SID);
	int i, j, ret = 0;

	for (i = 0; i < FAKE_STORES || READ_ONCE(fake->go_at) < FAKE_STORES;
	     i++) {
		guard(raw_spinlock_irqsave)(&fence->lock);
		WRITE_ONCE(fence->state, ARM_SMMU_ATC_FENCING);
		arm_smmu_atc_clear_eats(&fake->smmu, ste);
		for (j = 0; j < 8; j++)
			if (fake_ste_has_eats(ste))
				ret = -EINVAL;
		WRITE_ONCE(fence->state, ARM_SMMU_ATC_OK);
	}
	complete(&fake->go);
	return ret;
}

/* The same without an SMMU in between, as fast as they can */
static void arm_smmu_atc_test_store_races(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct fake_thread threads[2];

	fake_add_master(test, 1);
	fake_run(test, threads, 2, 2, fake_store_thread, fake_clear_thread);
	/* Neither has lost what the attach has stored */
	KUNIT_EXPECT_EQ(test, threads[0].ret, 0);
	/* Nor has EATS come back while it was being fenced */
	KUNIT_EXPECT_EQ(test, threads[1].ret, 0);
	arm_smmu_atc_clear_eats(&fake->smmu, fake_ste(fake, FAKE_FIRST_SID));
}

/*
 * Who a master is
 */

static void arm_smmu_atc_test_duplicate_streams(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	/* As behind a bridge: both of its Stream IDs are the same one */
	fake_add_master(test, 2);
	xa_erase(&fake->smmu.streams, FAKE_FIRST_SID + 1);
	fake->masters[0].streams[1].id = FAKE_FIRST_SID;
	fake_attach_to(test, &fake->domain, 0, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_expect_log(test, 2, 2, 2, 1);
	fake_expect_fenced_only(test, 0, 0);
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

	/* Who comes too late leaves the other one where it is, and nothing else */
	KUNIT_EXPECT_EQ(test, -ENODEV, fake_insert(test, &m[1], both, 2));
	KUNIT_EXPECT_PTR_EQ(test, xa_load(streams, both[1]), &m[0].master);
	KUNIT_EXPECT_NULL(test, xa_load(streams, both[0]));
	KUNIT_EXPECT_EQ(test, -ERANGE, fake_insert(test, &m[2], beyond, 2));
	KUNIT_EXPECT_NULL(test, xa_load(streams, beyond[0]));

	/* A fence outlives its master, on all Stream IDs of the next one */
	arm_smmu_atc_inherit_fence(&m[0].master);
	arm_smmu_remove_master(&m[0].master);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced), 0);
	KUNIT_ASSERT_EQ(test, 0, fake_insert(test, &m[3], both, 2));
	KUNIT_EXPECT_EQ(test, m[3].master.fence.state, ARM_SMMU_ATC_FENCED);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced), 1);
	arm_smmu_remove_master(&m[3].master);
	KUNIT_EXPECT_TRUE(test, xa_is_value(xa_load(streams, both[0])));

	/* Until it is lifted */
	KUNIT_ASSERT_EQ(test, 0, fake_insert(test, &m[4], both, 2));
	arm_smmu_atc_lift(&m[4].master, ARM_SMMU_ATC_OK);
	arm_smmu_remove_master(&m[4].master);
	KUNIT_EXPECT_TRUE(test, xa_empty(streams));
}

/* Found while its probe finds out that one of its Stream IDs is another's */
static void arm_smmu_atc_test_alias(struct kunit *test)
{
	struct arm_smmu_master *master;

	fake_attach(test, 2, 1, 1);
	master = fake_master(test, 0);
	master->streams[1].id = FAKE_FIRST_SID + 1;
	master->num_streams = 2;
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	KUNIT_EXPECT_EQ(test, master->fence.state, ARM_SMMU_ATC_FENCED);
	KUNIT_EXPECT_FALSE(test, fake_sid(test, 0)->eats);
	fake_expect_usable(test, 1);
}

static void arm_smmu_atc_test_cxl(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_add_master(test, 1);
	fake_add_master(test, 1);
	fake_attach_to(test, &fake->domain, 0, 2, 1);
	fake_master(test, 0)->ats_always_on = true;
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_sid(test, 1)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_expect_fenced_only(test, 0, 1);
	/* EATS = 0 may not be enough to keep it from writing */
	if (IS_ENABLED(CONFIG_PRINTK)) {
		KUNIT_EXPECT_EQ(test, 1,
				fake_count_lines(test, 0, "may still write"));
		KUNIT_EXPECT_EQ(test, 0,
				fake_count_lines(test, 1, "may still write"));
	}
}

/*
 * Guests
 */

#if IS_ENABLED(CONFIG_ARM_SMMU_V3_IOMMUFD)
struct fake_guest {
	struct arm_vsmmu vsmmu;
	struct iommufd_vdevice vdevs[4];
	struct iommufd_device idevs[4];
	struct arm_smmu_cmd cmds[4 * CMDQ_BATCH_ENTRIES];
	unsigned int num;
	unsigned long user;
};

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
	guest->vsmmu.smmu = &fake->smmu;
	guest->vsmmu.vmid = 7;
	xa_init(&guest->vsmmu.core.vdevs);

	fake_attach(test, num_masters, 1, 1);
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

/* Returns what the ioctl does, and how many of the commands were done in @done */
static int fake_guest_issue(struct kunit *test, struct fake_guest *guest,
			    unsigned int *done)
{
	struct iommu_user_data_array array = {
		.type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
		.uptr = (void __user *)guest->user,
		.entry_len = sizeof(guest->cmds[0]),
		.entry_num = guest->num,
	};
	int ret;

	KUNIT_ASSERT_EQ(test, 0,
			copy_to_user(array.uptr, guest->cmds,
				     guest->num * sizeof(guest->cmds[0])));
	ret = arm_vsmmu_cache_invalidate(&guest->vsmmu.core, &array);
	*done = array.entry_num;
	return ret;
}

static void fake_remove_guest(struct fake_guest *guest)
{
	xa_destroy(&guest->vsmmu.core.vdevs);
}

static void arm_smmu_atc_test_guest(struct kunit *test)
{
	struct fake_guest *guest = fake_add_guest(test, 3);
	unsigned int done;

	/* In any order, and others in between */
	fake_guest_tlbi(guest, 2);
	fake_guest_atc_inv(guest, 2);
	fake_guest_atc_inv(guest, 0);
	guest->cmds[guest->num++] =
		arm_smmu_make_cmd_cfgi_cd(1, 0, true);
	fake_guest_atc_inv(guest, 1);
	fake_guest_atc_inv(guest, 0);
	fake_guest_tlbi(guest, 1);

	KUNIT_EXPECT_EQ(test, 0, fake_guest_issue(test, guest, &done));
	KUNIT_EXPECT_EQ(test, done, 8);
	fake_expect_log(test, 4, 0, 1, 0);
	fake_forget_log(test);

	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_guest_issue(test, guest, &done));
	KUNIT_EXPECT_EQ(test, done, 0);
	/* Each is asked again, but for the one that is fenced by then */
	fake_expect_log(test, 4 + 3, 1, 1 + 3 + 1, 2);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_TLBI_NH_ASID), 3);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_CFGI_CD), 1);
	fake_expect_fenced_only(test, 0, 0);
	fake_forget_log(test);

	/* The host's queue does not stop again, but is done with what precedes */
	KUNIT_EXPECT_EQ(test, 0, fake_guest_issue(test, guest, &done));
	KUNIT_EXPECT_EQ(test, done, 8);
	fake_expect_log(test, 2, 0, 3, 0);
	fake_remove_guest(guest);
}

static void arm_smmu_atc_test_guest_many(struct kunit *test)
{
	struct fake_guest *guest = fake_add_guest(test, 2);
	unsigned int done;

	/* 63 and their CMD_SYNC are a batch */
	fake_guest_tlbi(guest, 70);
	fake_guest_atc_inv(guest, 1);
	fake_guest_tlbi(guest, 70);
	fake_sid(test, 1)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_guest_issue(test, guest, &done));
	KUNIT_EXPECT_EQ(test, done, 63);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_TLBI_NH_ASID), 125);
	fake_expect_fenced_only(test, 1, 1);
	fake_forget_log(test);

	/* What is left out counts as done */
	KUNIT_EXPECT_EQ(test, 0, fake_guest_issue(test, guest, &done));
	KUNIT_EXPECT_EQ(test, done, 141);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_TLBI_NH_ASID), 140);
	fake_expect_log(test, 0, 0, 4, 0);
	fake_remove_guest(guest);
}

static void arm_smmu_atc_test_guest_alone(struct kunit *test)
{
	struct fake_guest *guest = fake_add_guest(test, 1);
	unsigned int done;

	fake_guest_atc_inv(guest, 0);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_guest_issue(test, guest, &done));
	KUNIT_EXPECT_EQ(test, done, 0);
	fake_expect_log(test, 1, 1, 2, 1);
	fake_expect_fenced_only(test, 0, 0);

	/* Nothing is left of it */
	KUNIT_EXPECT_EQ(test, 0, fake_guest_issue(test, guest, &done));
	KUNIT_EXPECT_EQ(test, done, 1);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_ATC_INV), 1);
	fake_remove_guest(guest);
}

static void fake_reset_at_tlbi(struct fake_smmu *fake, u8 op)
{
	if (op == CMDQ_OP_TLBI_NH_ASID)
		arm_smmu_atc_lift(&fake->masters[0].master, ARM_SMMU_ATC_OK);
}

/* As soon as its fence is lifted, the device may cache what is in the TLB */
static void arm_smmu_atc_test_guest_reset(struct kunit *test)
{
	struct fake_guest *guest = fake_add_guest(test, 1);
	struct fake_smmu *fake = test->priv;
	unsigned int done;

	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_expect_fenced_only(test, 0, 0);
	fake_forget_log(test);

	fake_sid(test, 0)->timeouts = 0;
	fake->before_cmd = fake_reset_at_tlbi;
	fake_guest_tlbi(guest, 1);
	fake_guest_atc_inv(guest, 0);
	KUNIT_EXPECT_EQ(test, 0, fake_guest_issue(test, guest, &done));
	KUNIT_EXPECT_EQ(test, done, 2);
	fake_expect_log(test, 1, 0, 2, 0);
	fake_remove_guest(guest);
}

/* A list fails that has to be done before a command for a fenced master */
static void arm_smmu_atc_test_guest_dead_before_fenced(struct kunit *test)
{
	struct fake_guest *guest = fake_add_guest(test, 2);
	unsigned int done;

	fake_guest_atc_inv(guest, 0);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_guest_issue(test, guest, &done));
	fake_expect_fenced_only(test, 0, 0);

	guest->num = 0;
	fake_guest_atc_inv(guest, 0);
	fake_guest_atc_inv(guest, 1);
	fake_guest_atc_inv(guest, 0);
	fake_guest_tlbi(guest, 1);
	fake_sid(test, 1)->timeouts = FAKE_DEAD;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_guest_issue(test, guest, &done));
	KUNIT_EXPECT_EQ(test, done, 0);
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_TLBI_NH_ASID), 0);
	fake_expect_fenced_only(test, 0, 1);
	fake_remove_guest(guest);
}

/* The device answers, but one of its guest's commands is not legal */
static void arm_smmu_atc_test_guest_illegal(struct kunit *test)
{
	struct fake_guest *guest = fake_add_guest(test, 2);
	unsigned int done;

	fake_guest_tlbi(guest, 64);
	fake_guest_atc_inv(guest, 0);
	fake_guest_atc_inv(guest, 1);
	/* 63 and a CMD_SYNC, then the one that is left */
	fake_fault(test, 65, CMDQ_ERR_CERROR_ILL_IDX);
	KUNIT_EXPECT_EQ(test, -EIO, fake_guest_issue(test, guest, &done));
	KUNIT_EXPECT_EQ(test, done, 63);
	fake_expect_log(test, 1, 0, 3, 1);
	fake_expect_none_fenced(test);
	fake_forget_log(test);

	/* That must not hide that a device does not answer */
	fake_sid(test, 1)->timeouts = FAKE_DEAD;
	fake_fault(test, 65, CMDQ_ERR_CERROR_ILL_IDX);
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT, fake_guest_issue(test, guest, &done));
	KUNIT_EXPECT_EQ(test, done, 63);
	fake_expect_fenced_only(test, 1, 1);
	fake_forget_log(test);

	/* Found before the SMMU does: what is before it in its batch is not sent */
	guest->cmds[65].data[0] = CMDQ_OP_TLBI_EL2_ALL;
	KUNIT_EXPECT_EQ(test, -EIO, fake_guest_issue(test, guest, &done));
	KUNIT_EXPECT_EQ(test, done, 63);
	fake_expect_log(test, 0, 0, 1, 0);
	fake_remove_guest(guest);
}
#endif

/*
 * Anything
 */

#define FAKE_RANDOM_ACTS	2000 /* of all threads, in each mode */

static unsigned int fake_random_below(struct fake_thread *thread,
				      unsigned int below)
{
	return prandom_u32_state(&thread->rnd) % below;
}

/* What it has found fenced must not be asked, and nobody may escape */
static void fake_random_flush(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;
	struct fake_random *random = fake->random;
	struct arm_smmu_domain *smmu_domain =
		random->domains[fake_random_below(thread, 3)];
	unsigned int i;

	for (i = 0; i < fake->num_masters; i++) {
		struct arm_smmu_master *master = fake_master(thread->test, i);

		guard(raw_spinlock_irqsave)(&master->fence.lock);
		random->before[thread->id][i].fenced =
			master->fence.state == ARM_SMMU_ATC_FENCED;
		random->before[thread->id][i].gen = master->fence.gen;
	}
	fake_cache(fake, smmu_domain, thread->id);
	arm_smmu_domain_inv_range(smmu_domain, FAKE_FLUSH_IOVA(thread->id),
				  SZ_4K, SZ_4K, true);
	if (fake_has_escaped(fake, smmu_domain, thread->id))
		fake_complain(fake, "a flush has returned too early");
}

static void fake_random_attach(struct fake_thread *thread, bool reset)
{
	struct fake_smmu *fake = thread->test->priv;
	struct arm_smmu_master *master =
		fake_master(thread->test,
			    fake_random_below(thread, fake->num_masters));
	struct arm_smmu_ste target;

	guard(mutex)(&fake->random->attach_lock);
	if (reset) {
		/* As the core does: blocked while it is reset */
		fake_make_ste(master, FAKE_STE_ABORT, &target);
		arm_smmu_install_ste_for_dev(master, &target);
		fake_reset(fake, master);
		fake_make_ste(master, FAKE_STE_S1, &target);
	} else {
		fake_make_ste(master,
			      fake_random_below(thread, FAKE_STE_NESTED + 1),
			      &target);
	}
	arm_smmu_install_ste_for_dev(master, &target);
}

static int fake_random_thread(struct fake_thread *thread)
{
	struct fake_smmu *fake = thread->test->priv;
	unsigned int what;
	int ret = 0;

	while (atomic_inc_return(&fake->random->acts) <= FAKE_RANDOM_ACTS) {
		what = fake_random_below(thread, 100);
		if (what < 65)
			fake_random_flush(thread);
		else if (what < 80)
			ret |= fake_issue_tlbi(thread->test, what % 4, true);
		else
			fake_random_attach(thread, what < 90);
	}
	return ret;
}

/*
 * Flushes, attaches and resets on all CPUs that there are, and devices that stop
 * answering at any command. The seed makes them do the same again, but not at the
 * same time.
 */
static void arm_smmu_atc_test_random(struct kunit *test)
{
	struct fake_thread threads[FAKE_MAX_THREADS];
	u32 now = seed ?: get_random_u32() ?: 1;
	struct fake_smmu *fake = test->priv;
	unsigned int i, num, fenced = 0;
	struct fake_random *random;

	random = kunit_kzalloc(test, sizeof(*random), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, random);
	mutex_init(&random->attach_lock);
	kunit_info(test, "seed %u", now);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		prandom_seed_state(&threads[i].rnd, (u64)now << 2 | i);
	prandom_seed_state(&random->rnd, (u64)now << 2 | i);

	/* One that never fails, one that is often alone, and two of several */
	for (i = 0; i < 4; i++)
		fake_add_master(test, 1 + i / 2);
	for (i = 0; i < fake->num_sids; i++) {
		struct arm_smmu_ste ste;

		fake_make_ste(fake_master(test, 0), FAKE_STE_S1, &ste);
		fake_put_ste(fake, FAKE_FIRST_SID + i, &ste);
	}
	fake_attach_to(test, &fake->domain, 0, 4, 2);
	fake_attach_to(test, &fake->domain2, 1, 1, 1);
	random->domains[0] = &fake->domain;
	random->domains[1] = &fake->domain2;
	random->domains[2] = &fake->domain;
	fake->endless = true;
	fake->random = random;

	num = fake_run(test, threads, ARRAY_SIZE(threads), 1,
		       fake_random_thread, fake_random_thread);

	/* Nobody was charged for what he has not done */
	for (i = 0; i < num; i++)
		KUNIT_EXPECT_EQ(test, threads[i].ret, 0);
	KUNIT_EXPECT_EQ(test, fake_master(test, 0)->fence.state,
			ARM_SMMU_ATC_OK);
	for (i = 0; i < fake->num_masters; i++)
		fenced += fake_master(test, i)->fence.state ==
			  ARM_SMMU_ATC_FENCED;
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->smmu.nr_atc_fenced), fenced);
	fake_settle(fake);
	fake_expect_no_errs_left(test);
	KUNIT_EXPECT_GT(test, random->cmds, FAKE_RANDOM_ACTS);
	kunit_info(test, "%u threads, %u acts, %u commands, %u errors", num,
		   FAKE_RANDOM_ACTS, random->cmds, fake->errors);
}

/*
 * Setting it all up
 */

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
 * A submitter polls with IRQs off, so nothing else runs on its CPU: the last
 * CPU is the fake SMMU's, and the case keeps off it.
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

static int arm_smmu_atc_test_init(struct kunit *test)
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

static void arm_smmu_atc_test_exit(struct kunit *test)
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

#define FAKE_CASE(name) KUNIT_CASE(arm_smmu_atc_test_##name)
#define FAKE_CASE_MODES(name) \
	KUNIT_CASE_PARAM(arm_smmu_atc_test_##name, fake_mode_gen_params)

static struct kunit_case arm_smmu_atc_test_cases[] = {
	FAKE_CASE_MODES(clear_eats),
	FAKE_CASE_MODES(clear_eats_of_zero),
	FAKE_CASE(store_word),
	FAKE_CASE(store_word_without_eats),
	FAKE_CASE(take_no_error),
	FAKE_CASE(take_service_failure),
	FAKE_CASE_MODES(queue_healthy),
	FAKE_CASE_MODES(queue_error_to_owner),
	FAKE_CASE_MODES(queue_error_in_wrap),
	FAKE_CASE_MODES(queue_error_behind_list),
	FAKE_CASE_MODES(queue_stale_error),
	FAKE_CASE_MODES(queue_error_twice),
	FAKE_CASE_MODES(queue_sticky),
	FAKE_CASE(queue_illegal),
	FAKE_CASE(queue_abort),
	FAKE_CASE_MODES(queue_full),
	FAKE_CASE_MODES(queue_other_gerror),
	FAKE_CASE(queue_off),
	FAKE_CASE(service_failure_in_retry),
	FAKE_CASE(service_failure_in_fence),
	FAKE_CASE(late_answer),
	KUNIT_CASE_PARAM(arm_smmu_atc_test_search, fake_search_gen_params),
	FAKE_CASE(batch_cut_at_63),
	FAKE_CASE_MODES(fenced_is_skipped),
	FAKE_CASE(fenced_are_skipped),
	FAKE_CASE(all_fenced),
	FAKE_CASE(fenced_is_not_retried),
	FAKE_CASE_MODES(fenced_during_retry),
	FAKE_CASE(fencing_is_helped),
	FAKE_CASE(fencing_is_not_skipped),
	FAKE_CASE_MODES(other_error_dead),
	FAKE_CASE(other_error_answers_retry),
	FAKE_CASE_MODES(vcmdq),
	FAKE_CASE(vcmdq_alone),
	FAKE_CASE(impl_alone),
	FAKE_CASE(vcmdq_reset),
	FAKE_CASE_MODES(vcmdq_of_guest),
	FAKE_CASE(all_of_atc),
	FAKE_CASE(vcmdq_batch),
	FAKE_CASE_MODES(illegal_alone),
	FAKE_CASE_MODES(illegal_among_others),
	FAKE_CASE_MODES(abort_among_others),
	FAKE_CASE_MODES(abort_and_dead),
	FAKE_CASE_MODES(illegal_and_dead),
	FAKE_CASE(illegal_in_retry),
	FAKE_CASE_MODES(cfgi_error),
	FAKE_CASE_MODES(cfgi_error_of_first),
	FAKE_CASE(cfgi_never),
	FAKE_CASE_MODES(order),
	FAKE_CASE_MODES(attach_while_fencing),
	KUNIT_CASE_PARAM(arm_smmu_atc_test_attach_steps,
			 fake_transition_gen_params),
	FAKE_CASE_MODES(store_races),
	FAKE_CASE(duplicate_streams),
	FAKE_CASE(insert),
	FAKE_CASE(alias),
	FAKE_CASE(cxl),
	FAKE_CASE(master_gone),
	FAKE_CASE(gone_is_not_skipped),
	FAKE_CASE(master_going),
	FAKE_CASE(successor),
	FAKE_CASE_MODES(reset_lifts_fence),
	FAKE_CASE(reset_of_healthy),
	FAKE_CASE_MODES(reset_before_fence),
	FAKE_CASE(reset_in_vain),
	FAKE_CASE(reset_of_deaf),
	FAKE_CASE(reset_of_stopped),
	FAKE_CASE_MODES(reset_during_retry),
	FAKE_CASE_MODES(reset_during_fence),
#if IS_ENABLED(CONFIG_ARM_SMMU_V3_IOMMUFD)
	FAKE_CASE_MODES(guest),
	FAKE_CASE(guest_many),
	FAKE_CASE(guest_alone),
	FAKE_CASE(guest_illegal),
	FAKE_CASE_MODES(guest_reset),
	FAKE_CASE(guest_dead_before_fenced),
#endif
	FAKE_CASE_MODES(irqs_off),
	FAKE_CASE_MODES(nested_in_fence),
	FAKE_CASE_MODES(two_flushes),
	FAKE_CASE_MODES(flush_and_innocent),
	FAKE_CASE_MODES(many_flushes),
	FAKE_CASE(retry_of_nobody),
	FAKE_CASE(hang),
	FAKE_CASE_MODES(random),
	{},
};

static struct kunit_suite arm_smmu_atc_test_suite = {
	.name = "arm-smmu-v3-atc-kunit-test",
	.init = arm_smmu_atc_test_init,
	.exit = arm_smmu_atc_test_exit,
	.test_cases = arm_smmu_atc_test_cases,
};

kunit_test_suite(arm_smmu_atc_test_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of the ATC invalidation recovery of arm-smmu-v3");
MODULE_LICENSE("GPL");
