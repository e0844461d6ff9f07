/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI Express Downstream Port Containment
 *
 * Section numbers are those of the PCI Express Base Specification 6.0. See
 * docs/system/devices/pcie-dpc.rst for what is there and what is not.
 */

#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pcie.h"
#include "trace.h"

/* 7.9.14.3: DPC Completion Control, which no result of a read shows */
#define DPC_CTL_COMPLETION  0x0004
#define DPC_CTL_SW_TRIGGER  0x0040

#define DPC_CTL_ENABLE      (PCI_EXP_DPC_CTL_EN_FATAL | \
                             PCI_EXP_DPC_CTL_EN_NONFATAL)

void pcie_dpc_init(PCIDevice *dev, uint16_t offset)
{
    pcie_add_capability(dev, PCI_EXT_CAP_ID_DPC, PCI_DPC_VER, offset,
                        PCI_DPC_SIZEOF);
    dev->exp.dpc_cap = offset;

    pci_set_word(dev->config + offset + PCI_EXP_DPC_CAP,
                 PCI_EXP_DPC_CAP_SW_TRIGGER | pcie_cap_flags_get_vector(dev));
    /*
     * DPC Software Trigger reads as 0. It is writable to let
     * pcie_dpc_write_config() see a 1, which clears it.
     */
    pci_set_word(dev->wmask + offset + PCI_EXP_DPC_CTL,
                 DPC_CTL_ENABLE | DPC_CTL_COMPLETION |
                 PCI_EXP_DPC_CTL_INT_EN | DPC_CTL_SW_TRIGGER);
    pci_set_word(dev->w1cmask + offset + PCI_EXP_DPC_STATUS,
                 PCI_EXP_DPC_STATUS_TRIGGER | PCI_EXP_DPC_STATUS_INTERRUPT);
}

PCIEDPCRegs pcie_dpc_get(const PCIDevice *dev)
{
    const uint8_t *cap = dev->config + dev->exp.dpc_cap;

    if (!dev->exp.dpc_cap) {
        return (PCIEDPCRegs) { };
    }
    return (PCIEDPCRegs) {
        .ctl = pci_get_word(cap + PCI_EXP_DPC_CTL),
        .sta = pci_get_word(cap + PCI_EXP_DPC_STATUS),
    };
}

bool pcie_dpc_triggered(const PCIDevice *dev)
{
    return pcie_dpc_get(dev).sta & PCI_EXP_DPC_STATUS_TRIGGER;
}

bool pcie_dpc_contained(const PCIDevice *dev)
{
    while ((dev = pci_get_bus(dev)->parent_dev)) {
        if (pcie_dpc_triggered(dev)) {
            return true;
        }
    }
    return false;
}

/*
 * pcie_cap_update_power() takes the link down. 7.5.3.8: the bit is 0 in a port
 * that does not report it.
 */
static void link_up(PCIDevice *dev)
{
    uint8_t *exp_cap = dev->config + dev->exp.exp_cap;

    if (pci_get_long(exp_cap + PCI_EXP_LNKCAP) & PCI_EXP_LNKCAP_DLLLARC &&
        pci_get_word(exp_cap + PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_PDS) {
        pci_word_test_and_set_mask(exp_cap + PCI_EXP_LNKSTA,
                                   PCI_EXP_LNKSTA_DLLLA);
    }
}

static void trace_change(PCIDevice *dev, const char *event)
{
    trace_pcie_dpc(qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL),
                   DEVICE(dev)->id ?: dev->name, event);
}

void pcie_dpc_reset(PCIDevice *dev)
{
    uint8_t *cap = dev->config + dev->exp.dpc_cap;

    if (!dev->exp.dpc_cap) {
        return;
    }
    if (pcie_dpc_triggered(dev)) {
        link_up(dev);
        trace_change(dev, "reset");
    }
    pci_set_word(cap + PCI_EXP_DPC_CTL, 0);
    pci_set_word(cap + PCI_EXP_DPC_STATUS, 0);
}

/* 6.2.11.1: an interrupt is signalled when this becomes true */
static bool interrupt_pending(PCIEDPCRegs r)
{
    return r.ctl & PCI_EXP_DPC_CTL_INT_EN &&
           r.sta & PCI_EXP_DPC_STATUS_INTERRUPT;
}

static void update_interrupt(PCIDevice *dev, bool was_pending)
{
    bool pending = interrupt_pending(pcie_dpc_get(dev));
    uint16_t vector = pci_get_word(dev->config + dev->exp.dpc_cap +
                                   PCI_EXP_DPC_CAP) & PCI_EXP_DPC_IRQ;

    if (msix_enabled(dev)) {
        if (pending && !was_pending) {
            msix_notify(dev, vector);
        }
    } else if (msi_enabled(dev)) {
        if (pending && !was_pending) {
            msi_notify(dev, vector);
        }
    } else if (pci_intx(dev) != -1) {
        /* Also if it was pending: a hot-plug event may have ended meanwhile */
        if (pending) {
            pci_irq_assert(dev);
        } else if (was_pending && !dev->exp.hpev_notified) {
            pci_irq_deassert(dev);
        }
    }
}

/* 7.9.14.3: what the same write says of Trigger Enable holds for the trigger */
static bool may_trigger(PCIEDPCRegs r)
{
    uint16_t enable = r.ctl & DPC_CTL_ENABLE;

    return (enable == PCI_EXP_DPC_CTL_EN_FATAL ||
            enable == PCI_EXP_DPC_CTL_EN_NONFATAL) &&
           !(r.sta & PCI_EXP_DPC_STATUS_TRIGGER);
}

void pcie_dpc_write_config(PCIDevice *dev, PCIEDPCRegs old)
{
    uint8_t *cap = dev->config + dev->exp.dpc_cap;
    PCIEDPCRegs now = pcie_dpc_get(dev);

    if (!dev->exp.dpc_cap) {
        return;
    }
    if (now.ctl & DPC_CTL_SW_TRIGGER) {
        pci_set_word(cap + PCI_EXP_DPC_CTL, now.ctl & ~DPC_CTL_SW_TRIGGER);
        if (may_trigger(now)) {
            trace_change(dev, "trigger");
            pci_set_word(cap + PCI_EXP_DPC_STATUS,
                         (now.sta & PCI_EXP_DPC_STATUS_INTERRUPT) |
                         PCI_EXP_DPC_STATUS_TRIGGER |
                         PCI_EXP_DPC_STATUS_TRIGGER_RSN_IN_EXT |
                         PCI_EXP_DPC_STATUS_TRIGGER_RSN_SW_TRIGGER |
                         (now.ctl & PCI_EXP_DPC_CTL_INT_EN ?
                          PCI_EXP_DPC_STATUS_INTERRUPT : 0));
            pcie_cap_update_power(dev);
        }
    }
    if (old.sta & ~now.sta & PCI_EXP_DPC_STATUS_TRIGGER) {
        trace_change(dev, "release");
        link_up(dev);
        pcie_cap_update_power(dev);
    }
    update_interrupt(dev, interrupt_pending(old));
}
