package main

import (
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
)

// machineCollector makes the pbx_* series: how the machine is that the PBX runs on.
type machineCollector struct{ log hclog.Logger }

var (
	load       = desc("pbx_load", "Average length of the run queue over so many minutes.", "minutes")
	uptime     = desc("pbx_uptime_seconds", "Since the machine was started.")
	memory     = desc("pbx_memory_bytes", "Memory of the machine.")
	memoryFree = desc("pbx_memory_free_bytes", "Memory that nothing uses, not even as a cache of files: programs can get more.")
	swap       = desc("pbx_swap_bytes", "Swap space.")
	swapFree   = desc("pbx_swap_free_bytes", "Swap space that nothing uses.")
	disk       = desc("pbx_disk_bytes", "Size of the file system.", "path")
	diskLeft   = desc("pbx_disk_free_bytes", "What unprivileged programs can still write there.", "path")

	machineMetrics = []*prometheus.Desc{load, uptime, memory, memoryFree, swap, swapFree, disk, diskLeft}
)

func (*machineCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range machineMetrics {
		ch <- d
	}
}

// Collect leaves out what cannot be read and logs why; the rest is served.
func (c *machineCollector) Collect(ch chan<- prometheus.Metric) {
	for what, collect := range map[string]func(chan<- prometheus.Metric) error{
		"load, uptime and memory": collectSysinfo, "disk": collectDisk,
	} {
		if err := collect(ch); err != nil {
			c.log.Debug("left out of a scrape", "what", what, "error", err)
		}
	}
}

// collectSysinfo asks the kernel directly: /proc is closed to modules. How much memory could be had from caches, as
// MemAvailable there says, it does not tell.
func collectSysinfo(ch chan<- prometheus.Metric) error {
	var s syscall.Sysinfo_t
	if err := syscall.Sysinfo(&s); err != nil {
		return err
	}
	for i, minutes := range []string{"1", "5", "15"} {
		ch <- gauge(load, float64(s.Loads[i])/(1<<16), minutes)
	}
	ch <- gauge(uptime, float64(s.Uptime))
	unit := float64(s.Unit)
	for d, units := range map[*prometheus.Desc]uint64{memory: s.Totalram, memoryFree: s.Freeram, swap: s.Totalswap, swapFree: s.Freeswap} {
		ch <- gauge(d, float64(units)*unit)
	}
	return nil
}

func collectDisk(ch chan<- prometheus.Metric) error {
	const root = "/"
	var s syscall.Statfs_t
	if err := syscall.Statfs(root, &s); err != nil {
		return err
	}
	ch <- gauge(disk, float64(s.Blocks)*float64(s.Bsize), root)
	ch <- gauge(diskLeft, float64(s.Bavail)*float64(s.Bsize), root)
	return nil
}
