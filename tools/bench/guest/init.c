// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of a guest that runs one scenario and powers off.
 *
 * The kernel command line says what to run: ats.scenario=NAME, of the program
 * /ats_fence or ats.program=NAME, and with what the kernel may be tainted in the
 * end: ats.taint=MASK. Every other ats.KEY=VALUE is handed to the program as
 * KEY=VALUE. With ats.program alone the program gets no scenario, and finds no
 * module loaded, as when a runner of kselftests starts it. The console stays the
 * kernel's alone; the verdict goes to the second serial port, so that nothing
 * the kernel prints can be taken for one. The last line there,
 * "# verdict: pass" or "# verdict: fail", tells a finished run from a guest
 * that died.
 *
 * What this is not: a judge of escapes. That is the test's, and whether a
 * failure was expected is the host's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define MODULE		"/module/ats_testdev.ko"
#define MODULE_NAME	"ats_testdev"
#define PROGRAM		"ats_fence"
#define VERDICT		"/dev/ttyAMA1"
#define DEBUGFS		"/sys/kernel/debug"
#define GCOV		DEBUGFS "/gcov"

static char cmdline[4096];
static char program[64] = "/" PROGRAM;
static char *args[32] = { program };
static unsigned long allowed_taint;
static bool wanted, named;	/* a program; a scenario of it */
static bool failed;

static void fail(const char *what)
{
	printf("# init: %s: %s\n", what, strerror(errno));
	failed = true;
}

/* A file of gcov's counters as one line: "# gcda PATH HEX" */
static int send_gcda(const char *path, const struct stat *st, int type,
		     struct FTW *ftw)
{
	const char *end = strrchr(path, '.');
	FILE *f;
	int c;

	if (type != FTW_F || !end || strcmp(end, ".gcda"))
		return 0;
	f = fopen(path, "r");
	if (!f) {
		fail(path);
		return 0;
	}
	printf("# gcda %s ", path + strlen(GCOV));
	while ((c = getc(f)) != EOF)
		printf("%02x", c);
	printf("\n");
	fclose(f);
	return 0;
}

/* Only a kernel that counts coverage has any */
static void send_coverage(void)
{
	if (!mount("none", DEBUGFS, "debugfs", 0, NULL) || errno == EBUSY)
		nftw(GCOV, send_gcda, 8, FTW_PHYS);
}

static _Noreturn void finish(void)
{
	send_coverage();
	printf("# verdict: %s\n", failed ? "fail" : "pass");
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void mount_all(void)
{
	static const struct {
		const char *type, *dir;
	} fs[] = {
		{ "devtmpfs", "/dev" },
		{ "proc", "/proc" },
		{ "sysfs", "/sys" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fs); i++) {
		mkdir(fs[i].dir, 0755);
		if (mount("none", fs[i].dir, fs[i].type, 0, NULL))
			fail(fs[i].dir);
	}
}

/* Without a verdict port the host sees no verdict, which is one */
static void open_verdict(void)
{
	struct termios tio;
	int fd = open(VERDICT, O_RDWR | O_NOCTTY);

	if (fd < 0) {
		reboot(RB_POWER_OFF);
		return;
	}
	if (!tcgetattr(fd, &tio)) {
		cfmakeraw(&tio);
		tcsetattr(fd, TCSANOW, &tio);
	}
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

/* Fills args: the scenario, which stands first, then the options */
static void read_cmdline(void)
{
	int fd = open("/proc/cmdline", O_RDONLY);
	size_t n = 1;
	char *word;

	if (fd < 0 || read(fd, cmdline, sizeof(cmdline) - 1) <= 0)
		fail("/proc/cmdline");
	close(fd);

	cmdline[strcspn(cmdline, "\n")] = '\0';
	for (word = strtok(cmdline, " "); word; word = strtok(NULL, " ")) {
		if (strncmp(word, "ats.", 4))
			continue;
		word += 4;
		if (!strncmp(word, "program=", 8)) {
			snprintf(program, sizeof(program), "/%s", word + 8);
			wanted = true;
			continue;
		}
		if (!strncmp(word, "taint=", 6)) {
			allowed_taint = strtoul(word + 6, NULL, 0);
			continue;
		}
		if (!strncmp(word, "scenario=", 9)) {
			word += 9;
			wanted = true;
			named = true;
		}
		if (n < ARRAY_SIZE(args) - 1)
			args[n++] = word;
	}
}

/*
 * The machine's clock, which QEMU's trace has, in a line of the kernel's log,
 * which has a clock of its own: what the log says when can be told from this.
 */
static void tell_clock(void)
{
#ifdef __aarch64__
	unsigned long count, rate;
	FILE *f = fopen("/dev/kmsg", "w");

	asm volatile("isb; mrs %0, cntvct_el0" : "=r" (count) : : "memory");
	asm volatile("mrs %0, cntfrq_el0" : "=r" (rate));
	if (!f || fprintf(f, "init: the clock is at %llu ns\n",
			  (unsigned long long)((unsigned __int128)count *
					       1000000000 / rate)) < 0)
		fail("/dev/kmsg");
	if (f)
		fclose(f);
#endif
}

static void load_module(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		fail(MODULE);
	close(fd);
}

/* Also a test: fails when the module still holds something */
static void unload_module(void)
{
	if (syscall(SYS_delete_module, MODULE_NAME, O_NONBLOCK))
		fail("unload " MODULE_NAME);
}

static void run_test(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		execv(program, args);
		fail(program);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		fail("test");
		return;
	}
	if (WIFEXITED(status))
		printf("# exit=%d\n", WEXITSTATUS(status));
	else
		printf("# signal=%d\n", WTERMSIG(status));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		failed = true;
}

static void check_taint(void)
{
	unsigned long taint = ~0UL;
	FILE *f = fopen("/proc/sys/kernel/tainted", "r");

	if (!f || fscanf(f, "%lu", &taint) != 1)
		fail("tainted");
	if (f)
		fclose(f);
	printf("# taint=%#lx\n", taint);
	if (taint & ~allowed_taint)
		failed = true;
}

int main(void)
{
	mount_all();
	open_verdict();
	read_cmdline();

	/* A boot for what the kernel itself runs, such as KUnit */
	if (!wanted) {
		printf("# exit=0\n");
	} else {
		tell_clock();
		if (named)
			load_module();
		if (!failed) {
			run_test();
			if (named)
				unload_module();
		}
	}
	check_taint();
	finish();
}
