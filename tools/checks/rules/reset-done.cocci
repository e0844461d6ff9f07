// SPDX-License-Identifier: GPL-2.0-only
/// After a reset the IOMMU may ask the device. pci_reset_iommu_done() waits until the
/// device is ready and lets it know its ID; pci_dev_reset_iommu_done() does not.
virtual report

@bare@
identifier f != pci_reset_iommu_done;
position p;
@@
f(...) {
<...
pci_dev_reset_iommu_done@p(...)
...>
}

@script:python depends on report@
p << bare.p;
@@
coccilib.report.print_report(p[0], "pci_dev_reset_iommu_done() without pci_reset_iommu_done()")
