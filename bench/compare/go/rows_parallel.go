package main

import (
	"sync/atomic"
	"time"
)

func parallelRows() []row {
	return []row{
		{"pipeline20us", 1, pipelineRow},
		{"fanout_cpu", 1, fanoutRow},
		{"go_compute", 2, goComputeRow},
	}
}

// mix is the unit of CPU work: one step depends on the one before, so that it takes about the same time in every
// language. The same function as in bench/work.h.
func mix(h uint64) uint64 {
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h
}

func mixSteps(h uint64, steps int) uint64 {
	for i := 0; i < steps; i++ {
		h = mix(h)
	}
	return h
}

const (
	stageSteps     = 10_000 // about 20 us at 3 GHz (6 cycles a step); what it took is reported as stage_us
	pipelineInputs = 64     // distinct items, so that checking costs little
)

// pipelineRow: a source, two stages of about 20 us of work each joined by unbuffered channels, and a sink; an op is
// one item. On one processor an item costs two stages, on two at best one.
func pipelineRow(m *measurement) {
	items := m.scaled(20_000, pipelineInputs)
	var want [pipelineInputs]uint64
	begin := time.Now()
	for i := range want {
		want[i] = mixSteps(mixSteps(uint64(i)+1, stageSteps)+1, stageSteps)
	}
	m.note("stage_us", time.Since(begin).Seconds()*1e6/(2*pipelineInputs))

	var wrong int64
	m.start()
	middle, out := make(chan uint64), make(chan uint64)
	go func() {
		for i := 0; i < items; i++ {
			middle <- mixSteps(uint64(i%pipelineInputs)+1, stageSteps)
		}
		close(middle)
	}()
	go func() {
		for v := range middle {
			out <- mixSteps(v+1, stageSteps)
		}
		close(out)
	}()
	count := 0
	for v := range out {
		if v != want[count%pipelineInputs] {
			wrong++
		}
		count++
	}
	m.stop(items)
	m.expect("items", int64(count), int64(items))
	m.expect("wrong results", wrong, 0)
}

const (
	blockWords    = 8192 // 64 KiB a block
	blocks        = 16   // 1 MiB of data: in the second-level cache or near it
	blockPasses   = 4    // about 80 us a job
	fanoutWorkers = 8
)

func hashBlock(block []uint64) uint64 {
	var h uint64 = 1
	for pass := 0; pass < blockPasses; pass++ {
		for _, w := range block {
			h = mix(h ^ w)
		}
	}
	return h
}

type hashed struct {
	block int
	hash  uint64
}

// fanoutRow: one task hands out blocks over an unbuffered channel, 8 workers hash them and send the hashes over one
// channel to a collector; an op is one block.
func fanoutRow(m *measurement) {
	jobs := m.scaled(10_000, blocks)
	data := make([][]uint64, blocks)
	seed := uint64(1)
	for b := range data {
		data[b] = make([]uint64, blockWords)
		for w := range data[b] {
			seed = mix(seed + 0x9e3779b97f4a7c15)
			data[b][w] = seed
		}
	}
	var want [blocks]uint64
	begin := time.Now()
	for b := range want {
		want[b] = hashBlock(data[b])
	}
	m.note("job_us", time.Since(begin).Seconds()*1e6/blocks)

	m.start()
	work, results := make(chan int), make(chan hashed)
	for w := 0; w < fanoutWorkers; w++ {
		go func() {
			for b := range work {
				results <- hashed{b, hashBlock(data[b])}
			}
		}()
	}
	go func() {
		for j := 0; j < jobs; j++ {
			work <- j % blocks
		}
		close(work)
	}()
	var wrong int64
	var seen [blocks]int64
	for j := 0; j < jobs; j++ {
		r := <-results
		seen[r.block]++
		if r.hash != want[r.block] {
			wrong++
		}
	}
	m.stop(jobs)
	m.expect("wrong hashes", wrong, 0)
	for _, s := range seen {
		m.expect("jobs of a block", s, int64(jobs/blocks))
	}
}

const (
	computeChunk = 64                    // steps between two looks at the flag: about 0.15 us
	computeLimit = 20 * time.Millisecond // computing for this long without f having started is a miss
)

// goComputeRow: after a pause in which every processor goes idle, a task spawns f and computes on; how long until f
// starts, which only another processor can do. An op is one spawn.
func goComputeRow(m *measurement) {
	spawns := m.scaled(400, 1)
	latency := make([]int64, spawns)
	var misses int64
	var h uint64 = 1
	var started atomic.Int64
	base := time.Now()
	m.start()
	for i := 0; i < spawns; i++ {
		time.Sleep(time.Millisecond)
		started.Store(0)
		done := make(chan struct{})
		begin := int64(time.Since(base))
		go func() {
			started.Store(int64(time.Since(base)))
			close(done)
		}()
		for started.Load() == 0 {
			h = mixSteps(h, computeChunk)
			if time.Since(base)-time.Duration(begin) > computeLimit {
				misses++
				break
			}
		}
		<-done
		latency[i] = started.Load() - begin
	}
	m.stop(spawns)
	if h == 0 {
		m.failure = "the computing went wrong"
	}
	sortInt64(latency)
	if latency[0] <= 0 {
		m.failure = "f started before it was spawned"
	}
	m.note("p50_ns", quantile(latency, 0.5))
	m.note("p99_ns", quantile(latency, 0.99))
	m.note("misses", float64(misses))
}
