// SPDX-License-Identifier: GPL-2.0
/*
 * What a program here does when it is started without the name of a scenario,
 * as the runner of kselftests starts it: it looks whether the machine has the
 * endpoints, loads the module if need be, and runs its scenarios one after the
 * other, each in a process of its own. A scenario is one KTAP case, with the
 * cases that it reports as its subtests.
 *
 * Without the endpoints there is nothing to judge: the program then says what is
 * missing and exits with KSFT_SKIP.
 *
 * What this is not: a place for cases of a scenario.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ats_common.h"

#define PCI_DEVICES	"/sys/bus/pci/devices/"
#define MODULE		"ats_testdev"

/*
 * The module
 */

/* module/ats_testdev.ko beside the program, wherever that was installed */
static void module_path(char *path, size_t size)
{
	char self[PATH_MAX] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		ksft_exit_fail_perror("/proc/self/exe");
	snprintf(path, size, "%s/module/" MODULE ".ko", dirname(self));
}

bool ats_has_module_file(void)
{
	char path[PATH_MAX + 32];

	module_path(path, sizeof(path));
	return !access(path, R_OK);
}

bool ats_load_module(void)
{
	char path[PATH_MAX + 32];
	int fd, err = 0;

	module_path(path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0)) {
		ksft_perror(path);
		err = errno;
	}
	if (fd >= 0)
		close(fd);
	errno = err;
	return !err;
}

/* Fails, and says so, while anything still uses the module */
bool ats_unload_module(void)
{
	bool ok = !syscall(SYS_delete_module, MODULE, O_NONBLOCK);

	if (!ok)
		ksft_perror("unload " MODULE);
	return ok;
}

/*
 * The machine
 */

static long read_hex(const char *bdf, const char *file)
{
	char path[PATH_MAX];
	long val = -1;
	FILE *f;

	snprintf(path, sizeof(path), PCI_DEVICES "%s/%s", bdf, file);
	f = fopen(path, "r");
	if (f && fscanf(f, "%lx", &val) != 1)
		val = -1;
	if (f)
		fclose(f);
	return val;
}

/* Calls @fn for each endpoint of this kind; returns how many there are */
static int with_endpoints(void (*fn)(const char *bdf))
{
	struct dirent *d;
	DIR *dir = opendir(PCI_DEVICES);
	int n = 0;

	while (dir && (d = readdir(dir))) {
		if (read_hex(d->d_name, "vendor") != ATD_VENDOR_ID ||
		    read_hex(d->d_name, "device") != ATD_DEVICE_ID)
			continue;
		fn(d->d_name);
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

static int behind_smmu;

static void look_for_smmu(const char *bdf)
{
	char path[PATH_MAX], link[PATH_MAX] = "";

	snprintf(path, sizeof(path), PCI_DEVICES "%s/iommu", bdf);
	if (readlink(path, link, sizeof(link) - 1) > 0 &&
	    strstr(link, "/smmu3."))
		behind_smmu++;
}

/* Ends the program if there is nothing here that a scenario could be run on */
static void check_machine(void)
{
	int endpoints = with_endpoints(look_for_smmu);

	if (!endpoints)
		ksft_exit_skip("no ats-testdev endpoint: no PCI device %04x:%04x\n",
			       ATD_VENDOR_ID, ATD_DEVICE_ID);
	if (behind_smmu < endpoints)
		ksft_exit_skip("%d of %d ats-testdev endpoints have no SMMUv3\n",
			       endpoints - behind_smmu, endpoints);
	if (geteuid())
		ksft_exit_skip("needs root\n");
}

static void write_attr(const char *bdf, const char *file, const char *text)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), PCI_DEVICES "%s/%s", bdf, file);
	fd = open(path, O_WRONLY);
	if (fd < 0 && errno == ENOENT)
		return;
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		ksft_perror(path);
	if (fd >= 0)
		close(fd);
}

static void restore(const char *bdf)
{
	write_attr(bdf, "sriov_numvfs", "0");
	write_attr(bdf, "reset_method", "default");
	write_attr(bdf, "reset", "1");
}

/*
 * A scenario may leave an endpoint dead, fenced, with VFs, or off its bus. One
 * that stays dead is fenced again by the attach at the end of its reset.
 */
static void restore_all(void)
{
	int fd = open("/sys/bus/pci/rescan", O_WRONLY), ep;

	if (fd < 0 || write(fd, "1", 1) != 1)
		ksft_perror("/sys/bus/pci/rescan");
	if (fd >= 0)
		close(fd);
	if (!ats_open()) {
		for (ep = 0; ep < MAX_EPS; ep++) {
			if (ats_there(ep))
				ats_misbehave(ep, ATD_INV_ANSWER, 0);
		}
		close(dev);
	}
	with_endpoints(restore);
}

/*
 * The scenarios
 */

/* In a child: this program again, with a scenario and the options */
static __noreturn void start(int argc, char **argv, const char *name, int out)
{
	char **args = calloc(argc + 2, sizeof(*args));
	int i;

	dup2(out, STDOUT_FILENO);
	/* The header is this process's part: it is indented */
	setenv("KSFT_TAP_LEVEL", "1", 1);
	args[0] = argv[0];
	args[1] = (char *)name;
	for (i = 1; i < argc; i++)
		args[i + 1] = argv[i];
	execv("/proc/self/exe", args);
	perror("/proc/self/exe");
	_exit(KSFT_FAIL);
}

/* Passes the subtests on, and keeps the reason for a skip */
static void copy_output(int fd, char *reason, size_t size)
{
	static const char skip[] = "# SKIP ";
	FILE *f = fdopen(fd, "r");
	char line[1024], *found;

	printf("  KTAP version 1\n");
	while (fgets(line, sizeof(line), f)) {
		printf("  %s", line);
		found = strstr(line, skip);
		if (found) {
			found += strlen(skip);
			snprintf(reason, size, "%.*s",
				 (int)strcspn(found, "\n"), found);
		}
	}
	fclose(f);
}

/* Reports one scenario; returns whether it was run to its end */
static bool run_one(int argc, char **argv, const struct ats_scenario *sc)
{
	char reason[256] = "";
	int fds[2], status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		ksft_exit_fail_perror("pipe");
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		ksft_exit_fail_perror("fork");
	if (!pid)
		start(argc, argv, sc->name, fds[1]);
	close(fds[1]);
	copy_output(fds[0], reason, sizeof(reason));
	if (waitpid(pid, &status, 0) != pid)
		ksft_exit_fail_perror("waitpid");
	if (WIFSIGNALED(status))
		ksft_print_msg("%s: signal %d\n", sc->name, WTERMSIG(status));

	status = WIFEXITED(status) ? WEXITSTATUS(status) : KSFT_FAIL;
	ksft_test_result_code(status, sc->name, "%s",
			      status == KSFT_SKIP ? reason : sc->what);
	return status != KSFT_SKIP;
}

/* Ends the program. A table as for ats_choose() */
__noreturn void ats_run_all(int argc, char **argv, const void *table, size_t n,
			    size_t size)
{
	bool loads = access(ATS_DEV, F_OK);
	const struct ats_scenario *sc;
	int ran = 0;
	size_t s;

	check_machine();
	if (loads && !ats_load_module())
		ksft_exit_skip("no %s, and module/" MODULE ".ko: %s\n",
			       ATS_DEV, strerror(errno));

	ksft_set_plan(n + loads);
	for (s = 0; s < n; s++) {
		sc = table + s * size;
		if (sc->by_name) {
			ksft_test_result_code(KSFT_SKIP, sc->name,
					      "only by name: %s", sc->by_name);
			continue;
		}
		restore_all();
		ran += run_one(argc, argv, sc);
	}
	restore_all();
	if (loads)
		ksft_test_result(ats_unload_module(), "the module is unloaded\n");
	if (!ran && !ksft_get_fail_cnt()) {
		ksft_print_cnts();
		exit(KSFT_SKIP);
	}
	ksft_finished();
}
