package main

import "time"

func parallelRows() []row {
	return []row{
		{"pipeline20us", 1, pipelineRow},
		{"fanout", 1, fanoutRow},
		{"fanout_cpu", 1, fanoutCPURow},
		{"matrix", 1, matrixRow},
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

type answer struct {
	job   int
	value uint64
}

// fanOut: one task hands out the numbers of jobs over an unbuffered channel; 8 workers do work(kind) and send the
// answers over one channel to a collector. Kinds take turns; want has the answer of each. An op is one job.
func fanOut(m *measurement, jobs int, want []uint64, work func(int) uint64) {
	m.start()
	todo, done := make(chan int), make(chan answer)
	for w := 0; w < fanoutWorkers; w++ {
		go func() {
			for kind := range todo {
				done <- answer{kind, work(kind)}
			}
		}()
	}
	go func() {
		for j := 0; j < jobs; j++ {
			todo <- j % len(want)
		}
		close(todo)
	}()
	var wrong int64
	seen := make([]int64, len(want))
	for j := 0; j < jobs; j++ {
		a := <-done
		seen[a.job]++
		if a.value != want[a.job] {
			wrong++
		}
	}
	m.stop(jobs)
	m.expect("wrong answers", wrong, 0)
	for _, s := range seen {
		m.expect("jobs of a kind", s, int64(jobs/len(want)))
	}
}

// fanoutRow: jobs of one step of mix: what handing out and collecting cost.
func fanoutRow(m *measurement) {
	const kinds = 16
	want := make([]uint64, kinds)
	for k := range want {
		want[k] = mix(uint64(k) + 1)
	}
	fanOut(m, m.scaled(1_000_000, kinds), want, func(kind int) uint64 { return mix(uint64(kind) + 1) })
}

// fanoutCPURow: jobs hash blocks of memory.
func fanoutCPURow(m *measurement) {
	data := make([][]uint64, blocks)
	seed := uint64(1)
	for b := range data {
		data[b] = make([]uint64, blockWords)
		for w := range data[b] {
			seed = mix(seed + 0x9e3779b97f4a7c15)
			data[b][w] = seed
		}
	}
	want := make([]uint64, blocks)
	begin := time.Now()
	for b := range want {
		want[b] = hashBlock(data[b])
	}
	m.note("job_us", time.Since(begin).Seconds()*1e6/blocks)
	fanOut(m, m.scaled(10_000, blocks), want, func(b int) uint64 { return hashBlock(data[b]) })
}

const matrixSize = 192 // 288 KiB a matrix; a row of the product takes 20 to 40 us

// productRow hashes row r of the product of two matrices.
func productRow(a, b []uint64, r int) uint64 {
	var sums [matrixSize]uint64
	for k := 0; k < matrixSize; k++ {
		factor := a[r*matrixSize+k]
		line := b[k*matrixSize : (k+1)*matrixSize]
		for c := range sums {
			sums[c] += factor * line[c]
		}
	}
	h := uint64(1)
	for _, s := range sums {
		h = mix(h ^ s)
	}
	return h
}

// matrixRow: jobs are the rows of a product of two matrices of integers, the whole product again and again.
func matrixRow(m *measurement) {
	a, b := make([]uint64, matrixSize*matrixSize), make([]uint64, matrixSize*matrixSize)
	for i := range a {
		a[i] = mix(uint64(i) + 1)
		b[i] = mix(uint64(i+len(a)) + 1)
	}
	want := make([]uint64, matrixSize)
	begin := time.Now()
	for r := range want {
		want[r] = productRow(a, b, r)
	}
	m.note("job_us", time.Since(begin).Seconds()*1e6/matrixSize)
	fanOut(m, m.scaled(20_000, matrixSize), want, func(r int) uint64 { return productRow(a, b, r) })
}
