// SPDX-License-Identifier: GPL-2.0-only
/// The result of a list of commands tells whether a device did not answer. A caller
/// that ignores it takes a timeout for an answer.
virtual report

@ignored@
expression smmu, cmdq, cmds, n, sync;
position p;
@@
(
arm_smmu_cmdq_issue_cmdlist(smmu, cmdq, NULL, 0, sync);
|
arm_smmu_cmdq_issue_cmdlist@p(smmu, cmdq, cmds, n, sync);
)

@script:python depends on report@
p << ignored.p;
@@
coccilib.report.print_report(p[0], "the result of arm_smmu_cmdq_issue_cmdlist() is ignored")
