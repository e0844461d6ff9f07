# SPDX-License-Identifier: GPL-2.0-or-later
"""The series compiles without what a kernel may leave out, and as a module; KTAP.

Compiles drivers/iommu/ and what the series touches in drivers/pci/, with W=1,
one after the other in one object directory ($(O)/obj/configs) so that only what
an option decides is compiled again. New are warnings in files of the series; a
module may use only what the kernel exports to modules.

Nothing is linked into a kernel, and nothing boots: that is tools/bench/kernel.py's.
"""
import argparse
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from tools import ktap
from tools.bench import kernel as K
from tools.checks.static import allowed
from tools.series import repo as R
from tools.setup import progress

DRIVER = "drivers/iommu/arm/arm-smmu-v3"
MODULES = (f"{DRIVER}/arm_smmu_v3.o", f"{DRIVER}/arm-smmu-v3-atc-test.o")

# What is the same in all of them; allnoconfig for the rest.
COMMON = {"64BIT": "y", "EXPERT": "y", "MODULES": "y", "OF": "y", "PRINTK": "y", "BUG": "y"}
PCI = {"PCI": "y", "PCI_MSI": "y", "PCI_QUIRKS": "y"}
ATS = {"PCI_ATS": "y", "PCI_PRI": "y", "PCI_PASID": "y", "PCI_IOV": "y"}
SMMU = {"IOMMU_SUPPORT": "y", "ARM_SMMU_V3": "y"}
SVA = {"ARM_SMMU_V3_SVA": "y"}
USER = {"IOMMUFD": "y", "ARM_SMMU_V3_IOMMUFD": "y"}


class Variant(NamedTuple):
    title: str
    options: dict
    off: tuple              # these have to be off, or nothing is shown
    modules: bool = False


VARIANTS = (
    Variant("as a module, KUnit, too", {**PCI, **ATS, "IOMMU_SUPPORT": "y", "ARM_SMMU_V3": "m", **SVA, "IOMMUFD": "m",
                                        "ARM_SMMU_V3_IOMMUFD": "y", "TEGRA241_CMDQV": "y", "KUNIT": "m",
                                        "ARM_SMMU_V3_KUNIT_TEST": "m"}, (), True),
    Variant("without SVA and iommufd", {**PCI, **ATS, **SMMU}, ("ARM_SMMU_V3_SVA", "IOMMUFD", "KUNIT")),
    Variant("without SVA", {**PCI, **ATS, **SMMU, **USER}, ("ARM_SMMU_V3_SVA",)),
    Variant("without iommufd", {**PCI, **ATS, **SMMU, **SVA}, ("IOMMUFD",)),
    Variant("without ATS", {**PCI, **SMMU, **SVA, **USER}, ("PCI_ATS", "PCI_PASID")),
    Variant("without PCI", {**SMMU, **SVA, **USER}, ("PCI",)),
    Variant("PCI without an IOMMU", {**PCI, **ATS}, ("IOMMU_API",)),
)


class Configs:
    def __init__(self, out, base, step):
        self.kernels = K.Kernels(out, base, 2)
        self.kernels.obj = out / "obj/configs"
        self.obj, self.step = self.kernels.obj, step
        self.kernels.switch("patched")
        names = self.kernels.repo.names("diff-tree", "-r", "--no-renames", "--name-only", "--diff-filter=d",
                                        R.R_BASE, R.R_SERIES)
        self.touched = {n for n in names if n.endswith((".c", ".h"))}

    def configure(self, variant):
        """Complaints: options that are not what the variant says."""
        self.obj.mkdir(parents=True, exist_ok=True)
        options = {**COMMON, **variant.options}
        text = "".join(f"CONFIG_{name}={value}\n" for name, value in options.items())
        fragment = self.obj / "fragment.config"
        fragment.write_text(text)
        env = dict(self.kernels.env(), KCONFIG_ALLCONFIG=str(fragment))
        self.step.run(self.kernels.make("-s", "allnoconfig"), env=env)
        off = "".join(f"CONFIG_{name}=n\n" for name in variant.off)
        return self.kernels.missing(text + off, self.obj / ".config")

    def targets(self, variant):
        pci = [n[:-2] + ".o" for n in sorted(self.touched) if n.startswith("drivers/pci/") and n.endswith(".c")
               and n.count("/") == 2 and not n.endswith("acpi.c")]
        return (["drivers/iommu/"] if "IOMMU_SUPPORT" in variant.options else []) + \
            (pci if "PCI" in variant.options else [])

    def build(self, variant):
        """(compiled, complaints)"""
        said, compiled = [], set()
        # What is not compiled says nothing
        for name in self.touched:
            (self.obj / name).with_suffix(".o").unlink(missing_ok=True)

        def watch(line):
            made = re.match(r"^  CC (?:\[M\])? +(\S+)\.o$", line)
            if made:
                compiled.add(made[1] + ".c")
            found = K.DIAGNOSTIC.match(line)
            if found:
                name = K.clean_path(found["file"], self.kernels.tree)
                if name in self.touched:
                    said.append(f"{name}: {found['text']}")
            elif re.match(r"^.*\.c:\d+.*error|^make.*\*\*\*", line):
                said.append(line)
        status = self.step.run(self.kernels.make(*self.targets(variant)), env=self.kernels.env(), watch=watch,
                               check=False)
        allow = allowed("W=1")
        said = [s for s in said if not any(p.search(s) for p in allow)]
        return compiled & self.touched, said + ([f"make: status {status}"] if status and not said else [])

    def exported(self):
        """What the tree exports to modules, by name; and by a macro, as the guests' kernel has it."""
        proc = self.kernels.repo.git("grep", "-h", "-o", "-E", r"\bEXPORT_[A-Z_]+\([A-Za-z0-9_]+", R.R_SERIES,
                                     "--", "*.c", "*.h", "*.S", check=False)
        found = {line.split(b"(")[1].decode() for line in proc.stdout.splitlines()}
        symvers = self.obj.with_name(K.LEAN) / "Module.symvers"
        return found | {line.split("\t")[1] for line in symvers.read_text().splitlines()}

    def symbols(self, name, *options):
        proc = subprocess.run([K.CROSS + "nm", *options, str(self.obj / name)], stdout=subprocess.PIPE, check=True,
                              text=True)
        return {line.split()[-1] for line in proc.stdout.splitlines() if line.split()}

    def not_exported(self):
        """Symbols that the modules use and nobody exports."""
        used = set().union(*[self.symbols(name, "--undefined-only") for name in MODULES])
        # modpost makes that one
        return sorted(used - self.exported() - {"__this_module"})


def check(configs, report, variant):
    lost = configs.configure(variant)
    report.case(f"{variant.title}: the options are set", not lost, lost)
    compiled, said = configs.build(variant)
    report.case(f"{variant.title}: compiles", not said, said[:20])
    if variant.modules:
        lost = configs.not_exported()
        report.case(f"{variant.title}: uses only what is exported", not lost, lost)
    return compiled


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True, type=Path)
    ap.add_argument("--base", required=True)
    args = ap.parse_args()
    out = args.out.resolve()
    step = progress.Step(progress.Steps(out, 1), 1, "configs", out / "log/configs.log")
    step.log.parent.mkdir(parents=True, exist_ok=True)
    step.log.write_bytes(b"")
    report = ktap.Writer()
    with R.locked(out / "obj/.lock"):
        configs = Configs(out, args.base, step)
        compiled = set()
        for variant in VARIANTS:
            compiled |= check(configs, report, variant)
    left = sorted(n for n in configs.touched if n.startswith(DRIVER) and n.endswith(".c") and n not in compiled)
    report.case(f"{len(compiled)} files of the series were compiled, and all of the driver", compiled and not left, left)
    return report.close()


if __name__ == "__main__":
    ktap.run(main, R.SeriesError, progress.StepError, OSError)
