// SPDX-License-Identifier: GPL-2.0-only
/// A fence clears EATS of an STE in the table while an attach may be writing it. So
/// no function stores a word of it but arm_smmu_write_entry() and the fence itself.
virtual report

@plain@
expression ste, other, i, v;
assignment operator op;
position p;
@@
ste = arm_smmu_get_step_for_sid(...)
... when != ste = other
(
ste->data[i]@p op v
|
WRITE_ONCE(ste->data[i]@p, v)
|
memset(ste@p, ...)
)

@nested@
expression i, v;
assignment operator op;
position p;
@@
arm_smmu_get_step_for_sid(...)->data[i]@p op v

@script:python depends on report@
p << plain.p;
@@
coccilib.report.print_report(p[0], "store to an STE of the table past arm_smmu_write_entry()")

@script:python depends on report@
p << nested.p;
@@
coccilib.report.print_report(p[0], "store to an STE of the table past arm_smmu_write_entry()")
