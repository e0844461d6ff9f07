// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the recovery from ATC invalidations that are not answered,
 * against a fake SMMU: some memory for the registers, the command queue and the
 * stream table, and a timer that consumes the queue as IHI 0070 demands of the
 * hardware (4.7.3 for CMD_SYNC, 7.1 for errors). The driver's own functions fill
 * the queue, wait for it, find its errors, and recover.
 *
 * What this is not: a test of memory barriers, or of what an endpoint does with
 * its ATC. The fake makes transactions of no kind. Nor are there interrupts: the
 * driver has to find an error by itself, unless the case says otherwise.
 *
 * Copyright (C) 2026 The ATC fence authors
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/bitfield.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/kmsg_dump.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/sizes.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "arm-smmu-v3.h"

#define FAKE_Q_SHIFT		8 /* small, so that it wraps often */
#define FAKE_Q_ENTS		BIT(FAKE_Q_SHIFT)
#define FAKE_Q_DMA		0x100000 /* where the SMMU has the queue */
#define FAKE_NUM_SIDS		256
#define FAKE_FIRST_SID		0x10
#define FAKE_MAX_MASTERS	80
#define FAKE_LOG_ENTS		4096
#define FAKE_TICK_NS		(20 * NSEC_PER_USEC)

/* How long the fake SMMU waits for an answer: PCIe has it wait for a minute */
#define FAKE_ATC_TIMEOUT_US	50
/* A driver that has not looked for an error by then never will */
#define FAKE_UNSEEN_MS		5000
/* For fake_sid.timeouts: the device is dead */
#define FAKE_DEAD		UINT_MAX

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
	bool interrupt;
};

static const struct fake_mode fake_modes[] = {
	{ .name = "polled", .features = ARM_SMMU_FEAT_COHERENCY },
	{ .name = "non-coherent" },
	{ .name = "MSI", .features = ARM_SMMU_FEAT_COHERENCY,
	  .options = ARM_SMMU_OPT_MSIPOLL },
	/* Another CPU takes it at the moment when the submitter looks, too */
	{ .name = "interrupt", .features = ARM_SMMU_FEAT_COHERENCY,
	  .interrupt = true },
};

KUNIT_ARRAY_PARAM_DESC(fake_mode, fake_modes, name);

/* A Stream ID, as its device and as the SMMU see it */
struct fake_sid {
	/* Set by the cases: so many times it does not answer, or FAKE_DEAD */
	unsigned int timeouts;
	/* It takes so long to answer */
	unsigned int late_us;

	/* One bit a PASID: the ATC holds what the flush is to take out of it */
	u64 cached;
	/* The SMMU lets its Translated transactions pass */
	bool eats;
	/* EATS as it was when CMD_CFGI_STE was consumed; no CMD_SYNC since */
	bool cfgi;
	bool cfgi_eats;
};

/* A CMD_ATC_INV that no successful CMD_SYNC has covered */
struct fake_atc_inv {
	u32 sid;
	u32 ssid;
	bool unanswered;
	ktime_t answer;
};

struct fake_master {
	struct arm_smmu_master master;
	struct arm_smmu_stream streams[4];
	struct device dev;
	char name[32];
};

struct fake_smmu {
	struct arm_smmu_device smmu;
	const struct fake_mode *mode;
	struct hrtimer timer;
	unsigned int cpu;
	bool running;
	bool stopping;

	/* The state of the hardware. Its registers are in smmu.base */
	u32 cons;
	u32 gerrorn; /* as it last was right */
	struct fake_sid sids[FAKE_NUM_SIDS];
	struct fake_atc_inv atc_invs[FAKE_Q_ENTS];
	unsigned int num_atc_invs;

	/* What a case asks of it */
	u32 fault; /* CMDQ_ERR_CERROR_*, once */
	unsigned int fault_at; /* at the command that will be log[fault_at] */
	bool one_at_a_time; /* report one of several timeouts with an error */
	void (*before_cmd)(struct fake_smmu *fake, u8 op);
	void (*on_error)(struct fake_smmu *fake);

	/* What it has seen */
	struct arm_smmu_cmd *log; /* the commands that were consumed */
	unsigned int log_num;
	unsigned int errors;
	const char *complaint;

	struct fake_master *masters;
	unsigned int num_masters;
	struct arm_smmu_domain domain;
	struct arm_smmu_cmdq_batch batch;
	struct kmsg_dump_iter kmsg;
};

/*
 * The fake SMMU
 */

/* Only the first: the others follow from it */
static void fake_complain(struct fake_smmu *fake, const char *complaint)
{
	if (!fake->complaint)
		fake->complaint = complaint;
}

static bool fake_is_on(struct fake_smmu *fake)
{
	return readl(fake->smmu.base + ARM_SMMU_CR0ACK) & CR0_CMDQEN;
}

static void fake_switch(struct fake_smmu *fake, bool on)
{
	writel(on ? CR0_CMDQEN : 0, fake->smmu.base + ARM_SMMU_CR0ACK);
}

static void fake_check_gerrorn(struct fake_smmu *fake, u32 gerrorn)
{
	if (gerrorn != fake->gerrorn)
		fake_complain(fake, "GERRORN: no such error was active");
	fake->gerrorn = gerrorn;
}

/* Wait until @until, unless the case is over */
static void fake_wait(struct fake_smmu *fake, ktime_t until)
{
	while (ktime_before(ktime_get(), until) && !READ_ONCE(fake->stopping))
		cpu_relax();
}

/* Stop at the current command, until the error is acknowledged */
static void fake_raise(struct fake_smmu *fake, u32 err)
{
	struct arm_smmu_cmdq *cmdq = &fake->smmu.cmdq;
	static bool was_unseen;
	ktime_t unseen;
	u32 active;

	/* Once is enough to know that it does not look */
	unseen = ktime_add_ms(ktime_get(),
			      was_unseen ? FAKE_UNSEEN_MS / 100 :
					   FAKE_UNSEEN_MS);
	fake->errors++;
	fake_check_gerrorn(fake, readl(cmdq->gerrorn_reg));
	writel(fake->cons | FIELD_PREP(CMDQ_CONS_ERR, err), cmdq->q.cons_reg);
	writel(readl(cmdq->gerror_reg) ^ GERROR_CMDQ_ERR, cmdq->gerror_reg);

	if (fake->on_error)
		fake->on_error(fake);
	if (fake->mode->interrupt) {
		udelay(ARM_SMMU_POLL_LATE_US);
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

	fake->gerrorn ^= GERROR_CMDQ_ERR;
	fake_check_gerrorn(fake, readl(cmdq->gerrorn_reg));

	/* CMDQ_CONS.ERR is UNKNOWN from now on: lure those who rely on it */
	writel(fake->cons |
	       FIELD_PREP(CMDQ_CONS_ERR, CMDQ_ERR_CERROR_ILL_IDX),
	       cmdq->q.cons_reg);
}

static void fake_consume_atc_inv(struct fake_smmu *fake,
				 const struct arm_smmu_cmd *cmd)
{
	struct fake_atc_inv *inv = &fake->atc_invs[fake->num_atc_invs++];
	struct fake_sid *s;

	inv->sid = FIELD_GET(CMDQ_ATC_0_SID, cmd->data[0]);
	inv->ssid = FIELD_GET(CMDQ_ATC_0_SSID, cmd->data[0]);
	s = &fake->sids[inv->sid];
	inv->unanswered = s->timeouts;
	inv->answer = ktime_add_us(ktime_get(), s->late_us);
}

static void fake_consume_cfgi_ste(struct fake_smmu *fake,
				  const struct arm_smmu_cmd *cmd)
{
	u32 sid = FIELD_GET(CMDQ_CFGI_0_SID, cmd->data[0]);
	struct arm_smmu_ste *ste = &fake->smmu.strtab_cfg.linear.table[sid];
	struct fake_sid *s = &fake->sids[sid];

	s->cfgi = true;
	s->cfgi_eats = FIELD_GET(STRTAB_STE_1_EATS,
				 le64_to_cpu(READ_ONCE(ste->data[1])));
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

		if (!inv->unanswered || (dropped && fake->one_at_a_time)) {
			fake->atc_invs[left++] = *inv;
			continue;
		}

		/* Once a Stream ID, for however many commands */
		if (!dropped || inv->sid != sid)
			if (s->timeouts && s->timeouts != FAKE_DEAD)
				s->timeouts--;
		dropped = true;
		sid = inv->sid;
	}
	fake->num_atc_invs = left;
}

/* Returns whether it has completed: if not, it is to be fetched again */
static bool fake_consume_sync(struct fake_smmu *fake)
{
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
		fake_raise(fake, CMDQ_ERR_CERROR_ATC_INV_IDX);
		fake_drop_unanswered(fake);
		return false;
	}

	for (i = 0; i < fake->num_atc_invs; i++) {
		struct fake_atc_inv *inv = &fake->atc_invs[i];

		fake->sids[inv->sid].cached &= ~BIT_ULL(inv->ssid);
	}
	fake->num_atc_invs = 0;

	for (i = 0; i < FAKE_NUM_SIDS; i++) {
		struct fake_sid *s = &fake->sids[i];

		if (s->cfgi)
			s->eats = s->cfgi_eats;
		s->cfgi = false;
	}
	return true;
}

/* Nobody may be told that a master is fenced before the SMMU has been told */
static void fake_check_fenced(struct fake_smmu *fake)
{
	unsigned int i, j;

	for (i = 0; i < fake->num_masters; i++) {
		struct arm_smmu_master *master = &fake->masters[i].master;

		if (READ_ONCE(master->fence.state) != ARM_SMMU_ATC_FENCED)
			continue;
		for (j = 0; j < master->num_streams; j++)
			if (fake->sids[master->streams[j].id].eats)
				fake_complain(fake, "fenced in memory only");
	}
}

static void fake_consume(struct fake_smmu *fake)
{
	struct arm_smmu_queue *q = &fake->smmu.cmdq.q;
	u32 idx = Q_IDX(&q->llq, fake->cons);
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
		fake_raise(fake, fault);
		return;
	}
	if (fake->before_cmd)
		fake->before_cmd(fake, op);
	fake_check_fenced(fake);

	switch (op) {
	case CMDQ_OP_ATC_INV:
		fake_consume_atc_inv(fake, &cmd);
		break;
	case CMDQ_OP_CFGI_STE:
		fake_consume_cfgi_ste(fake, &cmd);
		break;
	case CMDQ_OP_CMD_SYNC:
		if (!fake_consume_sync(fake))
			return;
		break;
	}

	fake->log[fake->log_num++] = cmd;
	if (fake->log_num == FAKE_LOG_ENTS) {
		/* Nobody needs so many: rather end a loop than hang */
		fake_complain(fake, "the driver does not come to an end");
		fake->log_num = 0;
		fake_switch(fake, false);
	}

	WRITE_ONCE(ent[0], cpu_to_le64(FAKE_POISON));
	fake->cons = (fake->cons + 1) & (2 * FAKE_Q_ENTS - 1);
	writel(fake->cons |
	       FIELD_PREP(CMDQ_CONS_ERR, CMDQ_ERR_CERROR_ILL_IDX), q->cons_reg);

	if (op == CMDQ_OP_CMD_SYNC &&
	    FIELD_GET(CMDQ_SYNC_0_CS, cmd.data[0]) == CMDQ_SYNC_0_CS_IRQ) {
		if ((cmd.data[1] & CMDQ_SYNC_1_MSIADDR_MASK) !=
		    FAKE_Q_DMA + idx * sizeof(cmd))
			fake_complain(fake, "the MSI is not for the CMD_SYNC");
		/* As the write of an MSI: what was done before it is visible */
		smp_store_release((u32 *)ent, 0);
	}
}

/*
 * Hard interrupt context: as hardware, it must get on whatever its CPU is doing.
 * That may be waiting for an IPI to be served by the CPU that polls for us with
 * IRQs off.
 */
static enum hrtimer_restart fake_tick(struct hrtimer *timer)
{
	struct fake_smmu *fake = container_of(timer, struct fake_smmu, timer);
	struct arm_smmu_cmdq *cmdq = &fake->smmu.cmdq;

	while (fake_is_on(fake) && !READ_ONCE(fake->stopping) &&
	       readl(cmdq->q.prod_reg) != fake->cons)
		fake_consume(fake);

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

/*
 * Have @num_masters masters with @num_streams Stream IDs each, all attached to
 * one domain by @num_pasids PASIDs.
 */
static void fake_attach(struct kunit *test, unsigned int num_masters,
			unsigned int num_streams, unsigned int num_pasids)
{
	struct fake_smmu *fake = test->priv;
	struct arm_smmu_invs *invs;
	struct arm_smmu_inv *inv;
	unsigned int i, j, pasid;
	static unsigned int seq;

	invs = arm_smmu_invs_alloc(num_masters * num_streams * num_pasids);
	KUNIT_ASSERT_NOT_NULL(test, invs);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, fake_free_invs, invs));
	invs->has_ats = true;
	inv = invs->inv;

	for (i = 0; i < num_masters; i++) {
		struct fake_master *m = &fake->masters[i];

		/* A name that the log does not have yet */
		snprintf(m->name, sizeof(m->name), "fake.%u.%u", seq, i);
		m->dev.init_name = m->name;
		m->master.smmu = &fake->smmu;
		m->master.dev = &m->dev;
		m->master.streams = m->streams;
		m->master.num_streams = num_streams;
		arm_smmu_atc_init_master(&m->master);
		fake->num_masters++;

		for (j = 0; j < num_streams; j++) {
			u32 sid = FAKE_FIRST_SID + i * num_streams + j;

			m->streams[j].id = sid;
			KUNIT_ASSERT_EQ(test, 0,
					xa_err(xa_store(&fake->smmu.streams,
							sid, &m->master,
							GFP_KERNEL)));
			for (pasid = 0; pasid < num_pasids; pasid++) {
				inv->smmu = &fake->smmu;
				inv->type = INV_TYPE_ATS;
				inv->size_opcode = CMDQ_OP_ATC_INV;
				inv->nsize_opcode = CMDQ_OP_ATC_INV;
				inv->id = sid;
				inv->ssid = pasid;
				inv->users = 1;
				inv++;
			}
		}
	}
	seq++;
	rcu_assign_pointer(fake->domain.invs, invs);
}

/* The device has a translation that is being unmapped */
static void fake_cache(struct fake_smmu *fake)
{
	struct arm_smmu_invs *invs =
		rcu_dereference_protected(fake->domain.invs, true);
	unsigned int i;

	for (i = 0; i < invs->num_invs; i++) {
		struct arm_smmu_inv *inv = &invs->inv[i];

		fake->sids[inv->id].cached |= BIT_ULL(inv->ssid);
	}
}

/*
 * A flush has returned, so the memory is somebody else's. Who has still got its
 * translation must not be able to use it.
 */
static void fake_expect_no_escape(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < FAKE_NUM_SIDS - FAKE_FIRST_SID; i++) {
		struct fake_sid *s = fake_sid(test, i);

		KUNIT_EXPECT_FALSE_MSG(test, s->cached && s->eats,
				       "Stream ID %u escaped: PASIDs %llx", i,
				       s->cached);
	}
}

/* Unmap something: the driver's flush from one end to the other */
static void fake_flush(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_cpu_or_skip(test);
	fake_cache(fake);
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
	batch->has_atc = true;
	batch->atc_gen = atomic_read(&fake->smmu.atc_gen);
	batch->num = n;
	for (i = 0; i < n; i++) {
		batch->cmds[i] =
			arm_smmu_make_cmd_atc_inv_all(FAKE_FIRST_SID + i, 0);
		fake_sid(test, i)->cached = BIT_ULL(0);
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

/* A device is reset: it listens again, and has forgotten its translations */
static void fake_reset(struct fake_smmu *fake, struct arm_smmu_master *master)
{
	unsigned int i;

	for (i = 0; i < master->num_streams; i++) {
		struct fake_sid *s = &fake->sids[master->streams[i].id];

		s->timeouts = 0;
		s->cached = 0;
	}
	arm_smmu_atc_reset_done(master);
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

	fake_reset(fake, master);
	fake_store_stes(fake, master);
	for (j = 0; j < master->num_streams; j++)
		fake->sids[master->streams[j].id].eats = true;
}

static void fake_forget_log(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake->log_num = 0;
	fake->errors = 0;
}

static unsigned int fake_count(struct kunit *test, u8 op)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i, n = 0;

	for (i = 0; i < fake->log_num; i++)
		n += FIELD_GET(CMDQ_0_OP, fake->log[i].data[0]) == op;
	return n;
}

static unsigned int fake_count_atc_inv(struct kunit *test, unsigned int sid)
{
	struct fake_smmu *fake = test->priv;
	unsigned int i, n = 0;

	for (i = 0; i < fake->log_num; i++) {
		u64 data = fake->log[i].data[0];

		n += FIELD_GET(CMDQ_0_OP, data) == CMDQ_OP_ATC_INV &&
		     FIELD_GET(CMDQ_ATC_0_SID, data) == FAKE_FIRST_SID + sid;
	}
	return n;
}

/* How often the log tells the user that the @i-th master is fenced */
static unsigned int fake_count_reports(struct kunit *test, unsigned int i)
{
	struct fake_smmu *fake = test->priv;
	struct kmsg_dump_iter iter = fake->kmsg;
	char text[80], line[256];
	unsigned int n = 0;
	size_t len;

	irq_work_sync(&fake->masters[i].master.fence.log_work);
	kmsg_dump_rewind(&iter);
	iter.cur_seq = max(iter.cur_seq, fake->kmsg.next_seq);
	snprintf(text, sizeof(text), "%s: ATC invalidation was not answered",
		 fake->masters[i].name);
	while (kmsg_dump_get_line(&iter, false, line, sizeof(line) - 1, &len)) {
		line[len] = '\0';
		n += !!strstr(line, text);
	}
	return n;
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

/*
 * A flush of @n Stream IDs, @dead of which do not answer: all of them are asked
 * twice, together and one by one, and each that is dead takes a CMD_CFGI_STE
 * with a CMD_SYNC. One error says that somebody is dead, and one each who it is.
 */
static void fake_expect_search(struct kunit *test, unsigned int n,
			       unsigned int dead)
{
	fake_expect_log(test, n + n, dead, 1 + n + dead, 1 + dead);
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

static void fake_expect_stored(struct kunit *test, enum arm_smmu_atc_state state,
			       u64 old, u64 val, u64 stored)
{
	__le64 word = cpu_to_le64(old);
	bool changed;

	fake_master(test, 0)->fence.state = state;
	changed = arm_smmu_atc_set_ste_qword(fake_master(test, 0), &word,
					     cpu_to_le64(val));
	KUNIT_EXPECT_EQ(test, le64_to_cpu(word), stored);
	KUNIT_EXPECT_EQ(test, changed, old != stored);
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
	/* No bit but those of EATS differs: nothing that the SMMU has to know */
	fake_expect_stored(test, state, FAKE_STE_WORD_FENCED,
			   FAKE_STE_WORD_EATS, FAKE_STE_WORD_FENCED);
}

static void arm_smmu_atc_test_store_word_fencing(struct kunit *test)
{
	fake_attach(test, 1, 1, 1);
	fake_expect_stored_without_eats(test, ARM_SMMU_ATC_FENCING);
}

static void arm_smmu_atc_test_store_word_fenced(struct kunit *test)
{
	fake_attach(test, 1, 1, 1);
	fake_expect_stored_without_eats(test, ARM_SMMU_ATC_FENCED);
}

/*
 * Errors of the queue
 */

static void fake_expect_no_errs_left(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	KUNIT_EXPECT_EQ(test, fake->smmu.cmdq.nr_errs, 0);
	KUNIT_EXPECT_TRUE(test,
			  bitmap_empty(fake->smmu.cmdq.err_map,
				       2 * FAKE_Q_ENTS));
}

/* Go round until the next list begins in slot @idx */
static void fake_go_to_slot(struct kunit *test, u32 idx)
{
	struct fake_smmu *fake = test->priv;

	while (fake->cons % FAKE_Q_ENTS != idx)
		KUNIT_ASSERT_EQ(test, 0, fake_issue_tlbi(test, 0, true));
}

static void arm_smmu_atc_test_queue_healthy(struct kunit *test)
{
	int i;

	for (i = 0; i < FAKE_Q_ENTS; i++)
		KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 2, true));
	fake_expect_log(test, 0, 0, FAKE_Q_ENTS, 0);
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
	for (i = 0; i < FAKE_Q_ENTS; i++)
		KUNIT_EXPECT_EQ(test, 0, fake_issue_tlbi(test, 0, true));
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
	KUNIT_EXPECT_EQ(test, -EIO, fake_issue_tlbi(test, 3, true));
	/* It could not be fetched, and is now */
	KUNIT_EXPECT_EQ(test, fake_count(test, CMDQ_OP_TLBI_NH_ASID), 3);
	fake_expect_log(test, 0, 0, 1, 1);
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
	KUNIT_EXPECT_EQ(test, -EIO, fake_issue_tlbi(test, 1, true));
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

/* A timeout in software is no answer: it takes longer, and is waited for */
static void arm_smmu_atc_test_late_answer(struct kunit *test)
{
	fake_attach(test, 1, 1, 1);
	fake_sid(test, 0)->late_us = ARM_SMMU_POLL_TIMEOUT_US * 5 / 4;
	fake_flush(test);
	fake_expect_log(test, 1, 0, 1, 0);
	fake_expect_none_fenced(test);
}

static void arm_smmu_atc_test_late_answer_msi(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake->smmu.options |= ARM_SMMU_OPT_MSIPOLL;
	arm_smmu_atc_test_late_answer(test);
}

/*
 * Flushes with a device that does not answer
 */

static void arm_smmu_atc_test_all_answer(struct kunit *test)
{
	fake_attach(test, 8, 1, 1);
	fake_flush(test);
	/* Free when nothing fails */
	fake_expect_log(test, 8, 0, 1, 0);
	fake_expect_none_fenced(test);
}

static void arm_smmu_atc_test_batch_of_1(struct kunit *test)
{
	fake_attach(test, 1, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	/* Nobody else can be to blame: the second CMD_SYNC is CFGI_STE's */
	fake_expect_log(test, 1, 1, 2, 1);
	fake_expect_fenced_only(test, 0, 0);
}

static void arm_smmu_atc_test_batch_of_64(struct kunit *test)
{
	fake_attach(test, 64, 1, 1);
	fake_sid(test, 40)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_expect_search(test, 64, 1);
	fake_expect_fenced_only(test, 40, 40);
}

static void arm_smmu_atc_test_batch_of_65_answered(struct kunit *test)
{
	fake_attach(test, 65, 1, 1);
	fake_flush(test);
	/* 64 are a batch, which has its own CMD_SYNC */
	fake_expect_log(test, 65, 0, 2, 0);
	fake_expect_none_fenced(test);
}

static void arm_smmu_atc_test_batch_of_65_first_dead(struct kunit *test)
{
	fake_attach(test, 65, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	/* The first 64 are searched, the other batch is its command and CMD_SYNC */
	fake_expect_log(test, 64 + 64 + 1, 1, 1 + 64 + 1 + 1, 2);
	fake_expect_fenced_only(test, 0, 0);
}

static void arm_smmu_atc_test_batch_of_65_last_dead(struct kunit *test)
{
	fake_attach(test, 65, 1, 1);
	fake_sid(test, 64)->timeouts = FAKE_DEAD;
	fake_flush(test);
	/* It is alone in its batch, so nothing is repeated */
	fake_expect_log(test, 65, 1, 3, 1);
	fake_expect_fenced_only(test, 64, 64);
}

static void arm_smmu_atc_test_batch_cut_at_63(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 64, 1, 1);
	fake->smmu.options |= ARM_SMMU_OPT_CMDQ_FORCE_SYNC;
	fake_sid(test, 1)->timeouts = FAKE_DEAD;
	fake_flush(test);
	/* As batch_of_65_first_dead, with an erratum for which 63 is the limit */
	fake_expect_log(test, 63 + 63 + 1, 1, 1 + 63 + 1 + 1, 2);
	fake_expect_fenced_only(test, 1, 1);
}

static void arm_smmu_atc_test_one_dead(struct kunit *test)
{
	fake_attach(test, 5, 1, 1);
	fake_sid(test, 2)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_expect_search(test, 5, 1);
	fake_expect_fenced_only(test, 2, 2);
}

static void arm_smmu_atc_test_first_dead(struct kunit *test)
{
	fake_attach(test, 5, 1, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_expect_search(test, 5, 1);
	fake_expect_fenced_only(test, 0, 0);
}

static void arm_smmu_atc_test_last_dead(struct kunit *test)
{
	fake_attach(test, 5, 1, 1);
	fake_sid(test, 4)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_expect_search(test, 5, 1);
	fake_expect_fenced_only(test, 4, 4);
}

static void arm_smmu_atc_test_two_dead(struct kunit *test)
{
	fake_attach(test, 5, 1, 1);
	fake_sid(test, 1)->timeouts = FAKE_DEAD;
	fake_sid(test, 2)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_expect_search(test, 5, 2);
	fake_expect_fenced_only(test, 1, 2);
}

static void arm_smmu_atc_test_all_dead(struct kunit *test)
{
	unsigned int i;

	fake_attach(test, 5, 1, 1);
	for (i = 0; i < 5; i++)
		fake_sid(test, i)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_expect_search(test, 5, 5);
	fake_expect_fenced_only(test, 0, 4);
}

static void arm_smmu_atc_test_answers_retry(struct kunit *test)
{
	fake_attach(test, 2, 1, 1);
	fake_sid(test, 1)->timeouts = 1;
	fake_flush(test);
	fake_expect_search(test, 2, 0);
	fake_expect_none_fenced(test);
}

static void arm_smmu_atc_test_pasids(struct kunit *test)
{
	fake_attach(test, 2, 1, 3);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	/* All PASIDs of a Stream ID are repeated together: 2 CMD_SYNCs, not 6 */
	fake_expect_log(test, 6 + 6, 1, 1 + 2 + 1, 2);
	fake_expect_fenced_only(test, 0, 0);
}

static void arm_smmu_atc_test_pasids_answer_retry(struct kunit *test)
{
	fake_attach(test, 2, 1, 3);
	fake_sid(test, 1)->timeouts = 1;
	fake_flush(test);
	fake_expect_log(test, 6 + 6, 0, 1 + 2, 1);
	fake_expect_none_fenced(test);
}

static void arm_smmu_atc_test_pasids_alone(struct kunit *test)
{
	fake_attach(test, 1, 1, 3);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	/* Three commands, but one Stream ID: nothing to find out */
	fake_expect_log(test, 3, 1, 2, 1);
	fake_expect_fenced_only(test, 0, 0);
}

static void arm_smmu_atc_test_streams_first_dead(struct kunit *test)
{
	fake_attach(test, 2, 3, 1);
	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_flush(test);
	/*
	 * 6 at first, then 1 of the dead master, whose others need no answer any
	 * more, and 3 of the healthy one; a CMD_CFGI_STE with its own CMD_SYNC
	 * for each Stream ID.
	 */
	fake_expect_log(test, 6 + 1 + 3, 3, 1 + 1 + 3 + 3, 2);
	fake_expect_fenced_only(test, 0, 0);
}

static void arm_smmu_atc_test_streams_last_dead(struct kunit *test)
{
	fake_attach(test, 2, 3, 1);
	fake_sid(test, 5)->timeouts = FAKE_DEAD;
	fake_flush(test);
	/* Nobody can know before the last */
	fake_expect_log(test, 6 + 6, 3, 1 + 6 + 3, 2);
	fake_expect_fenced_only(test, 1, 1);
}

static void arm_smmu_atc_test_fenced_is_skipped(struct kunit *test)
{
	fake_attach(test, 3, 1, 2);
	fake_sid(test, 1)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_forget_log(test);

	fake_flush(test);
	KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, 1), 0);
	fake_expect_log(test, 4, 0, 1, 0);
	fake_expect_fenced_only(test, 1, 1);
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
	fake_master(test, 0)->fence.state = ARM_SMMU_ATC_FENCING;
	fake_forget_log(test);

	fake_recover(test);
	KUNIT_EXPECT_EQ(test, fake_count_atc_inv(test, 0), 0);
	/* A CMD_SYNC for who is asked, one for who is fenced */
	fake_expect_log(test, 1, 1, 2, 0);
	fake_expect_fenced_only(test, 0, 0);
}

/* FENCING says nothing about what the SMMU goes by, and others are fenced */
static void arm_smmu_atc_test_fencing_is_not_skipped(struct kunit *test)
{
	fake_attach(test, 2, 1, 1);
	fake_sid(test, 1)->timeouts = FAKE_DEAD;
	fake_flush(test);
	fake_forget_log(test);

	fake_sid(test, 0)->timeouts = FAKE_DEAD;
	fake_master(test, 0)->fence.state = ARM_SMMU_ATC_FENCING;
	fake_flush(test);
	fake_expect_log(test, 1, 1, 2, 1);
	fake_expect_fenced_only(test, 0, 1);
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

static struct arm_smmu_cmdq *
fake_get_secondary_cmdq(struct arm_smmu_device *smmu, struct arm_smmu_cmd *cmd)
{
	return NULL;
}

static const struct arm_smmu_impl_ops fake_impl_ops = {
	.get_secondary_cmdq = fake_get_secondary_cmdq,
};

static void arm_smmu_atc_test_secondary_queue(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;

	fake_attach(test, 1, 1, 1);
	fake->smmu.impl_ops = &fake_impl_ops;
	fake_sid(test, 0)->timeouts = 1;
	fake_flush(test);
	/* It could have been the timeout of another queue's command */
	fake_expect_log(test, 2, 0, 2, 1);
	fake_expect_none_fenced(test);
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
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		u8 op = FIELD_GET(CMDQ_0_OP, fake->log[i].data[0]);

		KUNIT_EXPECT_EQ(test, op, ops[i]);
	}
	KUNIT_EXPECT_FALSE(test, fake_sid(test, 0)->cfgi_eats);
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
	if (op == CMDQ_OP_CFGI_STE)
		fake_reset(fake, &fake->masters[0].master);
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

struct fake_submitter {
	struct kunit *test;
	struct task_struct *thread;
	struct completion done;
	bool escaped;
	int ret;
};

static int fake_flush_thread(void *data)
{
	struct fake_submitter *sub = data;
	struct fake_smmu *fake = sub->test->priv;

	arm_smmu_domain_inv_range(&fake->domain, 0, SZ_4K, SZ_4K, true);
	/* Who does not answer is cut off, whoever it was that did it */
	sub->escaped = fake_sid(sub->test, 0)->eats;
	complete(&sub->done);
	return 0;
}

static int fake_tlbi_thread(void *data)
{
	struct fake_submitter *sub = data;
	int i;

	for (i = 0; i < 16; i++)
		sub->ret |= fake_issue_tlbi(sub->test, 3, true);
	complete(&sub->done);
	return 0;
}

/* Run both at the same time, each on a CPU of its own */
static void fake_run_both(struct kunit *test, struct fake_submitter *subs,
			  int (*first)(void *data), int (*second)(void *data))
{
	struct fake_smmu *fake = test->priv;
	unsigned int i = 0, cpu;

	fake_cpu_or_skip(test);
	if (num_online_cpus() < 3)
		kunit_skip(test, "two submitters and the fake SMMU need 3 CPUs");

	for_each_online_cpu(cpu) {
		struct fake_submitter *sub = &subs[i];

		if (cpu == fake->cpu || i == 2)
			continue;

		memset(sub, 0, sizeof(*sub));
		sub->test = test;
		init_completion(&sub->done);
		sub->thread = kthread_create(i ? second : first, sub,
					     "fake-flush/%u", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sub->thread);
		kthread_bind(sub->thread, cpu);
		i++;
	}
	fake_cache(fake);
	for (i = 0; i < 2; i++)
		wake_up_process(subs[i].thread);
	for (i = 0; i < 2; i++)
		wait_for_completion(&subs[i].done);
}

static void arm_smmu_atc_test_two_flushes(struct kunit *test)
{
	struct fake_smmu *fake = test->priv;
	struct fake_submitter subs[2];
	int i;

	fake_attach(test, 2, 1, 1);
	for (i = 0; i < 8; i++) {
		kmsg_dump_rewind(&fake->kmsg);
		fake_forget_log(test);
		fake_sid(test, 0)->timeouts = FAKE_DEAD;
		fake_run_both(test, subs, fake_flush_thread, fake_flush_thread);

		KUNIT_EXPECT_FALSE(test, subs[0].escaped);
		KUNIT_EXPECT_FALSE(test, subs[1].escaped);
		fake_expect_no_escape(test);
		/* At worst both fail twice: together, and in the search */
		KUNIT_EXPECT_LE(test, fake->errors, 4);
		fake_expect_fenced_only(test, 0, 0);
		fake_expect_no_errs_left(test);
		fake_reset_and_attach(test, 0);
	}
}

static void arm_smmu_atc_test_flush_and_innocent(struct kunit *test)
{
	struct fake_submitter subs[2];

	int i;

	fake_attach(test, 2, 1, 1);
	for (i = 0; i < 8; i++) {
		fake_sid(test, 0)->timeouts = FAKE_DEAD;
		fake_run_both(test, subs, fake_flush_thread, fake_tlbi_thread);

		/* However they interleave, the error is the other one's */
		KUNIT_EXPECT_EQ(test, subs[1].ret, 0);
		KUNIT_EXPECT_FALSE(test, subs[0].escaped);
		fake_expect_no_escape(test);
		fake_expect_no_errs_left(test);
		fake_reset_and_attach(test, 0);
	}
}

/*
 * Setting it all up
 */

static int fake_init_cmdq(struct kunit *test, struct fake_smmu *fake)
{
	struct arm_smmu_cmdq *cmdq = &fake->smmu.cmdq;
	unsigned int i;

	cmdq->q.llq.max_n_shift = FAKE_Q_SHIFT;
	cmdq->q.ent_dwords = CMDQ_ENT_DWORDS;
	cmdq->q.base_dma = FAKE_Q_DMA;
	cmdq->q.base = kunit_kcalloc(test, FAKE_Q_ENTS * CMDQ_ENT_DWORDS,
				     sizeof(*cmdq->q.base), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cmdq->q.base);
	for (i = 0; i < FAKE_Q_ENTS * CMDQ_ENT_DWORDS; i++)
		cmdq->q.base[i] = cpu_to_le64(FAKE_POISON);

	cmdq->q.prod_reg = fake->smmu.base + ARM_SMMU_CMDQ_PROD;
	cmdq->q.cons_reg = fake->smmu.base + ARM_SMMU_CMDQ_CONS;
	cmdq->gerror_reg = fake->smmu.base + ARM_SMMU_GERROR;
	cmdq->gerrorn_reg = fake->smmu.base + ARM_SMMU_GERRORN;
	return arm_smmu_cmdq_init(&fake->smmu, cmdq);
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
	if (!fake->running)
		return;

	WRITE_ONCE(fake->stopping, true);
	hrtimer_cancel(&fake->timer);
	fake_check_gerrorn(fake, readl(fake->smmu.cmdq.gerrorn_reg));
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

	fake->mode = test->param_value ?: &fake_modes[0];
	fake->smmu.dev = dev;
	fake->smmu.base = (void __force __iomem *)page;
	fake->smmu.features = fake->mode->features;
	fake->smmu.options = fake->mode->options;
	xa_init(&fake->smmu.streams);
	mutex_init(&fake->smmu.streams_mutex);
	fake_init_strtab(test, fake);
	KUNIT_ASSERT_EQ(test, 0, fake_init_cmdq(test, fake));
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
	irq_work_sync(&fake->smmu.cmdq.err_work);
	cancel_work_sync(&fake->smmu.cmdq.wait_work);
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
	FAKE_CASE(store_word_fencing),
	FAKE_CASE(store_word_fenced),
	FAKE_CASE(take_no_error),
	FAKE_CASE(take_service_failure),
	FAKE_CASE_MODES(queue_healthy),
	FAKE_CASE_MODES(queue_error_to_owner),
	FAKE_CASE_MODES(queue_error_in_wrap),
	FAKE_CASE_MODES(queue_error_behind_list),
	FAKE_CASE_MODES(queue_stale_error),
	FAKE_CASE_MODES(queue_error_twice),
	FAKE_CASE(queue_illegal),
	FAKE_CASE(queue_abort),
	FAKE_CASE_MODES(queue_full),
	FAKE_CASE_MODES(queue_other_gerror),
	FAKE_CASE(queue_off),
	FAKE_CASE(late_answer),
	FAKE_CASE(late_answer_msi),
	FAKE_CASE_MODES(all_answer),
	FAKE_CASE_MODES(batch_of_1),
	FAKE_CASE_MODES(batch_of_64),
	FAKE_CASE(batch_of_65_answered),
	FAKE_CASE(batch_of_65_first_dead),
	FAKE_CASE(batch_of_65_last_dead),
	FAKE_CASE(batch_cut_at_63),
	FAKE_CASE_MODES(one_dead),
	FAKE_CASE_MODES(first_dead),
	FAKE_CASE_MODES(last_dead),
	FAKE_CASE_MODES(two_dead),
	FAKE_CASE_MODES(all_dead),
	FAKE_CASE_MODES(answers_retry),
	FAKE_CASE_MODES(pasids),
	FAKE_CASE(pasids_answer_retry),
	FAKE_CASE(pasids_alone),
	FAKE_CASE_MODES(streams_first_dead),
	FAKE_CASE_MODES(streams_last_dead),
	FAKE_CASE_MODES(fenced_is_skipped),
	FAKE_CASE(all_fenced),
	FAKE_CASE(fenced_is_not_retried),
	FAKE_CASE(fencing_is_helped),
	FAKE_CASE(fencing_is_not_skipped),
	FAKE_CASE_MODES(other_error_dead),
	FAKE_CASE(other_error_answers_retry),
	FAKE_CASE(secondary_queue),
	FAKE_CASE_MODES(illegal_alone),
	FAKE_CASE_MODES(illegal_among_others),
	FAKE_CASE_MODES(illegal_and_dead),
	FAKE_CASE_MODES(cfgi_error),
	FAKE_CASE_MODES(cfgi_error_of_first),
	FAKE_CASE_MODES(order),
	FAKE_CASE_MODES(attach_while_fencing),
	FAKE_CASE(master_gone),
	FAKE_CASE(master_going),
	FAKE_CASE(successor),
	FAKE_CASE_MODES(reset_lifts_fence),
	FAKE_CASE(reset_of_healthy),
	FAKE_CASE_MODES(reset_before_fence),
	FAKE_CASE(reset_in_vain),
	FAKE_CASE_MODES(reset_during_retry),
	FAKE_CASE_MODES(reset_during_fence),
	FAKE_CASE_MODES(two_flushes),
	FAKE_CASE_MODES(flush_and_innocent),
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
