/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fake SMMU for the KUnit tests of arm-smmu-v3, and what the cases of the
 * suites arm-smmu-v3-atc-*-test.c are written in.
 *
 * Copyright (C) 2026 The ATC fence authors
 */
#ifndef _ARM_SMMU_V3_FAKE_H
#define _ARM_SMMU_V3_FAKE_H

#include <kunit/test.h>
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/kmsg_dump.h>
#include <linux/ktime.h>
#include <linux/prandom.h>
#include <linux/sizes.h>

#include "arm-smmu-v3.h"

#define FAKE_Q_SHIFT		8 /* small, so that it wraps often */
#define FAKE_Q_ENTS		BIT(FAKE_Q_SHIFT)
#define FAKE_NUM_SIDS		256
#define FAKE_FIRST_SID		0x10
#define FAKE_MAX_MASTERS	80
#define FAKE_MAX_STREAMS	10

/* A driver that has not looked for an error by then never will */
#define FAKE_UNSEEN_MS		5000
/* For fake_sid.timeouts: the device never answers again */
#define FAKE_DEAD		UINT_MAX

/*
 * What a device has cached: one bit for each PASID and each of the flushes that
 * run at the same time, which are told apart by the address that they flush.
 */
#define FAKE_MAX_THREADS	3
#define FAKE_CACHED_BIT(flush, pasid)	((flush) * 16 + (pasid))
#define FAKE_FLUSH_IOVA(flush)		((u64)(flush) * SZ_4K)

/* Where the CD tables of all masters are; the fake SMMU never reads them */
#define FAKE_CDTAB_DMA		0x400000

/* What a consumed slot holds, so that it is not taken for a command */
#define FAKE_POISON		0xdeaddeaddeaddeadULL

/* What the driver finds in all STEs: each bit set, and ATS in use */
#define FAKE_STE_WORD		(~0ULL)
#define FAKE_STE_WORD_EATS					\
	((FAKE_STE_WORD & ~STRTAB_STE_1_EATS) |			\
	 FIELD_PREP(STRTAB_STE_1_EATS, STRTAB_STE_1_EATS_TRANS))
#define FAKE_STE_WORD_FENCED	(FAKE_STE_WORD & ~STRTAB_STE_1_EATS)

/**
 * struct fake_mode - How the driver of a fake SMMU learns of completion and errors
 * @name: as the parameter of a case
 * @features: ARM_SMMU_FEAT_* of the SMMU
 * @options: ARM_SMMU_OPT_* of the SMMU
 * @interrupt: an interrupt handler takes errors, besides the submitters
 * @latency_us: microseconds from an error to its interrupt
 */
struct fake_mode {
	const char *name;
	u32 features;
	u32 options;
	bool interrupt;
	unsigned int latency_us;
};

/**
 * struct fake_sid - A Stream ID, as its device and as the SMMU see it
 * @timeouts: number of CMD_SYNCs for which the device will not answer, or
 *	FAKE_DEAD; set by the cases, counted down by the SMMU
 * @late_us: microseconds that the device takes to answer; set by the cases
 * @cached: what the ATC holds of that which a flush has to remove
 * @ste: the STE that the SMMU uses
 * @eats: whether @ste lets Translated transactions pass
 * @cfgi: a CMD_CFGI_STE was consumed, and no CMD_SYNC since
 * @cfgi_ste: the STE as it was then
 */
struct fake_sid {
	unsigned int timeouts;
	unsigned int late_us;

	DECLARE_BITMAP(cached, 64);
	struct arm_smmu_ste ste;
	bool eats;
	bool cfgi;
	struct arm_smmu_ste cfgi_ste;
};

/**
 * struct fake_atc_inv - A CMD_ATC_INV that no successful CMD_SYNC has covered
 * @sid: its Stream ID
 * @bit: the bit of fake_sid.cached that it clears
 * @unanswered: the device does not answer it
 * @answer: when the device answers it otherwise
 */
struct fake_atc_inv {
	u32 sid;
	unsigned int bit;
	bool unanswered;
	ktime_t answer;
};

/**
 * struct fake_master - A master of the fake SMMU, with its device
 * @master: what the driver knows
 * @streams: its Stream IDs
 * @dev: a device that is not registered
 * @dev_iommu: leads from @dev to @master
 * @name: of @dev; no other device in the kernel log has it
 */
struct fake_master {
	struct arm_smmu_master master;
	struct arm_smmu_stream streams[FAKE_MAX_STREAMS];
	struct device dev;
	struct dev_iommu dev_iommu;
	char name[32];
};

struct fake_smmu;

/**
 * struct fake_queue - A command queue, as the hardware sees it
 * @fake: whose it is
 * @cmdq: what the driver knows
 * @cons: the next slot to consume, with the wrap bit
 * @gerrorn: GERRORN as it last was right
 */
struct fake_queue {
	struct fake_smmu *fake;
	struct arm_smmu_cmdq *cmdq;
	u32 cons;
	u32 gerrorn;
};

/**
 * struct fake_log - A command that was consumed
 * @cmd: the command
 * @cmdq: the queue that it was in
 */
struct fake_log {
	struct arm_smmu_cmd cmd;
	struct arm_smmu_cmdq *cmdq;
};

/**
 * struct fake_smmu - A fake SMMU, its masters, and what a case asks of it
 * @smmu: what the driver knows; its registers are in @smmu.base
 * @mode: how the driver learns of completion and errors
 * @timer: the hardware: consumes the queues, in hard interrupt context on @cpu
 * @cpu: the last online CPU; the case runs on another one
 * @running: @timer runs; without it, a case that needs it is skipped
 * @stopping: the case is over: @timer must not wait any longer
 *
 * @queues: the queue of the SMMU, and that of fake_add_queue()
 * @num_queues: how many there are
 * @sids: by Stream ID
 * @atc_invs: the CMD_ATC_INVs that the next CMD_SYNC waits for
 * @num_atc_invs: how many there are
 * @gbpa: GBPA without writes that have no effect
 * @gbpa_done: when UPDATE of GBPA is cleared
 *
 * @fault: CMDQ_ERR_CERROR_* to stop with, once, at @fault_at; 0: none
 * @fault_at: index of the command in @log that it stops at
 * @one_at_a_time: report only one of several timeouts with an error
 * @sticky: how many times the CMD_SYNC fails again for the same timeout
 * @hold: consume nothing before that many commands are in a queue
 * @hung_until: consume nothing before that time
 * @failed: consume nothing more; the driver must not wait for long then
 * @gbpa_busy_until: no update of GBPA ends before that time
 * @smmuen_stuck: the SMMU stays enabled when SMMUEN is cleared
 * @late_msi_us: how long after CONS has moved the MSI of a CMD_SYNC is written
 * @endless: more commands than @log holds are no error
 * @before_cmd: called before each command is executed
 * @on_error: called when the queue has stopped, before the driver can know
 * @priv: for the hooks of a case
 *
 * @log: the commands that were consumed, see fake_forget_log()
 * @log_num: how many there are
 * @errors: how many times a queue has stopped
 * @complaint: the first rule that the driver broke; fails the case at its end
 * @stops_logged: how many times the driver has reported that it stopped @smmu
 * @waits_logged: for a case that counts how many times a wait is logged
 *
 * @masters: FAKE_MAX_MASTERS of them
 * @num_masters: how many are in use
 * @num_sids: how many Stream IDs they have, from FAKE_FIRST_SID
 * @domain: the domain that fake_flush() flushes
 * @domain2: another one
 * @cmdq2: of fake_add_queue()
 * @batch: of fake_issue_batch()
 * @kmsg: where the kernel log was when the case began
 * @go: for a case that has one thread start another
 * @go_at: counts down to that moment
 *
 * Context: @timer owns the state of the hardware, from @queues to
 * @gbpa_done, except that a case sets fake_sid.timeouts and fake_sid.late_us
 * at any time, and the rest of a fake_sid and a queue's registers while no
 * command is in a queue. What a case asks for is written before it issues a
 * command, @hold and @hung_until at any time. What was seen is read after
 * fake_settle(). @before_cmd and @on_error are called by @timer, with interrupts
 * off: they must not sleep, or issue commands.
 *
 * There is no lock. A field that both sides use while commands are consumed is
 * accessed with READ_ONCE() and WRITE_ONCE(), and @num_queues with
 * smp_store_release(). fence.lock of a master protects what it does in the driver.
 */
struct fake_smmu {
	struct arm_smmu_device smmu;
	const struct fake_mode *mode;
	struct hrtimer timer;
	unsigned int cpu;
	bool running;
	bool stopping;

	/* The state of the hardware */
	struct fake_queue queues[2];
	unsigned int num_queues;
	struct fake_sid sids[FAKE_NUM_SIDS];
	struct fake_atc_inv atc_invs[2 * FAKE_Q_ENTS];
	unsigned int num_atc_invs;
	u32 gbpa;
	ktime_t gbpa_done;

	/* What a case asks for */
	u32 fault;
	unsigned int fault_at;
	bool one_at_a_time;
	unsigned int sticky;
	unsigned int hold;
	ktime_t hung_until;
	bool failed;
	ktime_t gbpa_busy_until;
	bool smmuen_stuck;
	unsigned int late_msi_us;
	bool endless;
	void (*before_cmd)(struct fake_smmu *fake,
			   const struct arm_smmu_cmd *cmd);
	void (*on_error)(struct fake_smmu *fake);
	void *priv;

	/* What was seen */
	struct fake_log *log;
	unsigned int log_num;
	unsigned int errors;
	const char *complaint;
	unsigned int stops_logged;
	unsigned int waits_logged;

	/* What the case works with */
	struct fake_master *masters;
	unsigned int num_masters;
	unsigned int num_sids;
	struct arm_smmu_domain domain;
	struct arm_smmu_domain domain2;
	struct arm_smmu_cmdq cmdq2;
	struct arm_smmu_cmdq_batch batch;
	struct kmsg_dump_iter kmsg;
	struct completion go;
	unsigned int go_at;
};

/**
 * struct fake_seen - How many commands and errors a case expects in the log
 * @atc_invs: CMD_ATC_INV
 * @cfgi_stes: CMD_CFGI_STE
 * @tlbis: CMD_TLBI_NH_ASID, which is what fake_issue_tlbi() issues
 * @syncs: CMD_SYNC, also one that replaces an illegal command
 * @errors: how many times a queue has stopped
 */
struct fake_seen {
	unsigned int atc_invs;
	unsigned int cfgi_stes;
	unsigned int tlbis;
	unsigned int syncs;
	unsigned int errors;
};

/**
 * struct fake_range - Some of the masters, or of all their Stream IDs
 * @first: index of the first one
 * @num: how many
 */
struct fake_range {
	unsigned int first, num;
};

/**
 * struct fake_scenario - One flush of a domain, and its outcome
 * @name: as the parameter of a case
 * @masters: number of masters; 0: one
 * @streams: number of Stream IDs of each master; 0: one
 * @pasids: number of PASIDs by which each master is attached; 0: one
 * @options: more ARM_SMMU_OPT_* than the mode has
 * @cmdq2: the commands of the domain go to a second queue
 * @dead: the Stream IDs that do not answer
 * @timeouts: how many times they do not; 0: they never answer again
 * @late_us: microseconds that the first Stream ID takes to answer
 * @fault: CMDQ_ERR_CERROR_* that the queue stops with, once; 0: none
 * @fault_at: index of the command at which it stops
 * @sticky: as in struct fake_smmu
 * @seen: what the SMMU has seen by the time the flush returns
 * @fenced: the masters that are fenced by then
 */
struct fake_scenario {
	const char *name;
	unsigned int masters, streams, pasids;
	u32 options;
	bool cmdq2;
	struct fake_range dead;
	unsigned int timeouts;
	unsigned int late_us;
	u32 fault;
	unsigned int fault_at;
	unsigned int sticky;
	struct fake_seen seen;
	struct fake_range fenced;
};

/**
 * struct fake_thread - A thread that has a CPU to itself
 * @test: the case
 * @fn: what it does
 * @id: its index, which is also that of its flushes
 * @task: set by fake_run()
 * @done: @fn has returned
 * @rnd: for a case that wants random numbers
 * @ret: what @fn has returned
 */
struct fake_thread {
	struct kunit *test;
	int (*fn)(struct fake_thread *thread);
	unsigned int id;
	struct task_struct *task;
	struct completion done;
	struct rnd_state rnd;
	int ret;
};

static inline u8 fake_cmd_op(const struct arm_smmu_cmd *cmd)
{
	return FIELD_GET(CMDQ_0_OP, cmd->data[0]);
}

static inline u8 fake_log_op(struct fake_smmu *fake, unsigned int i)
{
	return fake_cmd_op(&fake->log[i].cmd);
}

static inline struct arm_smmu_ste *fake_ste(struct fake_smmu *fake, u32 sid)
{
	return &fake->smmu.strtab_cfg.linear.table[sid];
}

static inline bool fake_ste_has_eats(const struct arm_smmu_ste *ste)
{
	return FIELD_GET(STRTAB_STE_1_EATS,
			 le64_to_cpu(READ_ONCE(ste->data[1])));
}

/* The @i-th master */
static inline struct arm_smmu_master *fake_master(struct kunit *test,
						  unsigned int i)
{
	struct fake_smmu *fake = test->priv;

	return &fake->masters[i].master;
}

/* The @i-th Stream ID of all masters */
static inline struct fake_sid *fake_sid(struct kunit *test, unsigned int i)
{
	struct fake_smmu *fake = test->priv;

	return &fake->sids[FAKE_FIRST_SID + i];
}

/* The device of the @i-th Stream ID never answers again */
static inline void fake_kill(struct kunit *test, unsigned int i)
{
	WRITE_ONCE(fake_sid(test, i)->timeouts, FAKE_DEAD);
}

/* arm-smmu-v3-fake.c: the SMMU */
int fake_init(struct kunit *test);
void fake_exit(struct kunit *test);
void fake_add_queue(struct kunit *test, const struct arm_smmu_impl_ops *ops);
void fake_complain(struct fake_smmu *fake, const char *complaint);
bool fake_is_translating(struct fake_smmu *fake);
void fake_switch(struct fake_smmu *fake, bool on);
void fake_check_gerrorn(struct fake_queue *queue);
void fake_settle(struct fake_smmu *fake);

/* arm-smmu-v3-fake-steps.c: modes and scenarios */
extern const struct arm_smmu_impl_ops fake_cmdq2_ops;
const struct fake_mode *fake_mode_of(struct kunit *test);
const void *fake_mode_gen_params(struct kunit *test, const void *prev,
				 char *desc);
const void *fake_scenario_gen_params(const struct fake_scenario *scenarios,
				     unsigned int num, const void *prev,
				     char *desc);
void fake_run_scenario(struct kunit *test,
		       const struct fake_scenario *scenario);
void fake_run_scenario_param(struct kunit *test);

/* Masters, and what is attached to them */
void fake_init_master(struct kunit *test, struct fake_master *m);
void fake_add_master(struct kunit *test, unsigned int num_streams);
void fake_attach_to(struct kunit *test, struct arm_smmu_domain *smmu_domain,
		    unsigned int first, unsigned int num_masters,
		    unsigned int num_pasids);
void fake_attach_all(struct kunit *test, unsigned int num_masters,
		     unsigned int num_streams, unsigned int num_pasids);
void fake_attach(struct kunit *test, unsigned int num_masters);
bool fake_store_stes(struct fake_smmu *fake, struct arm_smmu_master *master);
void fake_reset(struct fake_smmu *fake, struct arm_smmu_master *master);
void fake_reset_and_attach(struct kunit *test, unsigned int i);
void fake_begin_fence(struct kunit *test, unsigned int i);

/* Commands, flushes and their errors */
void fake_cpu_or_skip(struct kunit *test);
int fake_issue_tlbi(struct kunit *test, int n, bool sync);
int fake_issue_atc_inv(struct kunit *test, unsigned int i);
int fake_issue_batch(struct kunit *test, int n);
void fake_fail_batch(struct kunit *test, int n);
void fake_recover(struct kunit *test, int error);
void fake_fault(struct kunit *test, unsigned int nth, u32 err);
void fake_flush(struct kunit *test);
void fake_fence(struct kunit *test, unsigned int i);
bool fake_flush_escapes(struct fake_smmu *fake,
			struct arm_smmu_domain *smmu_domain,
			unsigned int flush);

/* Threads */
unsigned int fake_run(struct kunit *test, struct fake_thread *threads,
		      unsigned int num, unsigned int least,
		      int (*fn)(struct fake_thread *thread),
		      int (*others)(struct fake_thread *thread));
int fake_flush_thread(struct fake_thread *thread);

/* What was seen, and what is expected */
void fake_forget_log(struct kunit *test);
unsigned int fake_count(struct kunit *test, u8 op);
unsigned int fake_count_atc_inv(struct kunit *test, unsigned int i);
unsigned int fake_count_log(struct kunit *test, const struct device *dev,
			    const char *what);
unsigned int fake_count_lines(struct kunit *test, unsigned int i,
			      const char *what);
unsigned int fake_count_reports(struct kunit *test, unsigned int i);
void fake_expect_counts(struct kunit *test, const struct fake_seen *seen);
void fake_expect_no_escape(struct kunit *test);
void fake_expect_no_errs_left(struct kunit *test);
void fake_expect_state(struct kunit *test, unsigned int i,
		       enum arm_smmu_atc_state state);
void fake_expect_words(struct kunit *test, struct arm_smmu_master *master,
		       u64 word);
void fake_expect_usable(struct kunit *test, unsigned int i);
void fake_expect_fenced(struct kunit *test, unsigned int first,
			unsigned int num);
void fake_expect_none_fenced(struct kunit *test);

/**
 * fake_expect_seen() - Expect these numbers in the log, and 0 of all others
 * @test: the case
 * @...: designated initialisers of struct fake_seen
 */
#define fake_expect_seen(test, ...) \
	fake_expect_counts(test, &(const struct fake_seen){ __VA_ARGS__ })

/**
 * FAKE_SCENARIO() - A case that is one scenario
 * @_name: its name, as in FAKE_CASE()
 * @...: designated initialisers of struct fake_scenario
 */
#define FAKE_SCENARIO(_name, ...)					\
static void arm_smmu_atc_test_##_name(struct kunit *test)		\
{									\
	static const struct fake_scenario scenario = { __VA_ARGS__ };	\
									\
	fake_run_scenario(test, &scenario);				\
}

#define FAKE_CASE(name) KUNIT_CASE(arm_smmu_atc_test_##name)
/* A case that runs once in each mode */
#define FAKE_CASE_MODES(name) \
	KUNIT_CASE_PARAM(arm_smmu_atc_test_##name, fake_mode_gen_params)

/**
 * FAKE_SUITE() - A suite of cases that have a fake SMMU each, in test->priv
 * @subject: the last part of its name
 * @cases: array of struct kunit_case
 */
#define FAKE_SUITE(subject, cases)					\
static struct kunit_suite fake_suite = {				\
	.name = "arm-smmu-v3-atc-" subject,				\
	.init = fake_init,						\
	.exit = fake_exit,						\
	.test_cases = cases,						\
};									\
kunit_test_suite(fake_suite)

#endif /* _ARM_SMMU_V3_FAKE_H */
