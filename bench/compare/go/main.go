// The Go twins of the rows of bench/csp_bench: the same work, the same arguments, the same JSON lines.
//
// Standard library only. One file a theme: this one is the harness (arguments, clock, report), rows_*.go hold the
// rows. A row's body starts the stopwatch itself, so that what is not part of the row stays outside of it, and
// says what is wrong when its result is; a row with a wrong result reports no number.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// row is one line of the table.
type row struct {
	name          string
	minProcessors int
	body          func(*measurement)
}

// measurement is what a row's body reads (processors, scale) and fills in.
type measurement struct {
	processors int
	scale      float64

	ops             uint64
	wall            time.Duration
	cpu             time.Duration
	contextSwitches int64
	failure         string
	extra           map[string]float64

	wallStart     time.Time
	cpuStart      time.Duration
	switchesStart int64
}

// scaled gives the count of a row at the chosen scale, at least least, and a multiple of it.
func (m *measurement) scaled(count, least int) int {
	units := int(float64(count) * m.scale / float64(least))
	if units < 1 {
		units = 1
	}
	return units * least
}

func (m *measurement) start() {
	m.cpuStart, m.switchesStart = processUsage()
	m.wallStart = time.Now()
}

func (m *measurement) stop(ops int) {
	m.wall = time.Since(m.wallStart)
	cpu, switches := processUsage()
	m.cpu = cpu - m.cpuStart
	m.contextSwitches = switches - m.switchesStart
	m.ops = uint64(ops)
}

func (m *measurement) expect(what string, got, want int64) {
	if got != want && m.failure == "" {
		m.failure = fmt.Sprintf("%s is %d, not %d", what, got, want)
	}
}

func (m *measurement) note(key string, value float64) {
	if m.extra == nil {
		m.extra = map[string]float64{}
	}
	m.extra[key] = value
}

// noteLateness sorts nanoseconds and notes p50_, p99_ and max_suffix in the unit; one below zero fails the row:
// something happened before it was due. The same rules as in bench/harness.cpp.
func (m *measurement) noteLateness(nanoseconds []int64, suffix string, unit time.Duration) {
	if len(nanoseconds) == 0 {
		return
	}
	sort.Slice(nanoseconds, func(i, j int) bool { return nanoseconds[i] < nanoseconds[j] })
	if nanoseconds[0] < 0 && m.failure == "" {
		m.failure = "something happened before it was due"
	}
	at := func(q float64) float64 {
		return float64(nanoseconds[int(q*float64(len(nanoseconds)-1))]) / float64(unit)
	}
	m.note("p50_"+suffix, at(0.5))
	m.note("p99_"+suffix, at(0.99))
	m.note("max_"+suffix, at(1))
}

// processUsage is the CPU time of the process and the context switches of its threads.
func processUsage() (time.Duration, int64) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0, 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), u.Nvcsw + u.Nivcsw
}

// statusKB reads the line of /proc/self/status that begins with name.
func statusKB(name string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, name) {
			kb, _ := strconv.ParseInt(strings.Fields(line)[1], 10, 64)
			return kb
		}
	}
	return 0
}

// peakRSS reads VmHWM: ru_maxrss would count the parent's memory from before the exec.
func peakRSS() int64 { return statusKB("VmHWM:") }

// residentKB is what the process has in memory now, its page tables included.
func residentKB() int64 { return statusKB("VmRSS:") + statusKB("VmPTE:") }

// run measures a row repeat times and keeps the run with the median wall time; one failed check fails the row.
func run(r row, processors, repeat int, scale float64) *measurement {
	var runs []*measurement
	for i := 0; i < repeat; i++ {
		m := &measurement{processors: processors, scale: scale}
		r.body(m)
		if m.failure != "" {
			return m
		}
		runs = append(runs, m)
		runtime.GC()
	}
	sort.Slice(runs, func(i, j int) bool { return runs[i].wall < runs[j].wall })
	return runs[(len(runs)-1)/2]
}

func report(r row, m *measurement, processors int) bool {
	line := map[string]any{"row": r.name, "peer": "go", "processors": processors}
	switch {
	case m == nil:
		line["check"] = fmt.Sprintf("skipped: needs %d processors", r.minProcessors)
	case m.failure != "":
		line["check"] = "failed: " + m.failure
	default:
		line["ns_per_op"] = float64(m.wall.Nanoseconds()) / float64(m.ops)
		line["ops"] = m.ops
		line["wall_ms"] = m.wall.Seconds() * 1e3
		line["cpu_ms"] = m.cpu.Seconds() * 1e3
		line["peak_rss_kb"] = peakRSS()
		line["context_switches"] = m.contextSwitches
		for k, v := range m.extra {
			line[k] = v
		}
		line["check"] = "ok"
	}
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
	return m == nil || m.failure == ""
}

func main() {
	processors := flag.Int("processors", 1, "GOMAXPROCS")
	repeat := flag.Int("repeat", 1, "runs of a row; the one with the median wall time is reported")
	scale := flag.Float64("scale", 1, "factor on the work of a row")
	list := flag.Bool("list", false, "print every row's name and the processors that it needs")
	flag.Parse()

	var rows []row
	rows = append(rows, switchRows()...)
	rows = append(rows, channelRows()...)
	rows = append(rows, selectRows()...)
	rows = append(rows, programRows()...)
	rows = append(rows, parallelRows()...)
	rows = append(rows, latencyRows()...)
	rows = append(rows, resourceRows()...)

	if *list {
		for _, r := range rows {
			fmt.Println(r.name, r.minProcessors)
		}
		return
	}
	if *processors < 1 || *repeat < 1 || *scale <= 0 {
		fmt.Fprintln(os.Stderr, "go_bench: --processors and --repeat are at least 1, --scale is above 0")
		os.Exit(2)
	}
	runtime.GOMAXPROCS(*processors)

	chosen := rows
	if flag.NArg() > 0 {
		chosen = nil
		for _, name := range flag.Args() {
			found := false
			for _, r := range rows {
				if r.name == name {
					chosen = append(chosen, r)
					found = true
				}
			}
			if !found {
				fmt.Fprintf(os.Stderr, "go_bench: no row %q (--list prints them)\n", name)
				os.Exit(2)
			}
		}
	}
	good := true
	for _, r := range chosen {
		var m *measurement
		if *processors >= r.minProcessors {
			m = run(r, *processors, *repeat, *scale)
		}
		good = report(r, m, *processors) && good
		debug.FreeOSMemory() // one row's garbage is not the next one's
	}
	if !good {
		os.Exit(1)
	}
}
