package main

import (
	"sync"
	"time"
)

func programRows() []row {
	return []row{
		{"skynet", 1, skynetRow},
		{"sieve", 1, sieveRow},
		{"ring", 1, ringRow},
		{"sleep", 1, sleepRow},
	}
}

// skynetRow: a tree of tasks, ten children each, down to a million leaves, whose numbers are added on the way up; an
// op is one leaf.
func skynetRow(m *measurement) {
	leaves := 1
	for leaves*10 <= m.scaled(1_000_000, 1) {
		leaves *= 10
	}
	m.start()
	result := make(chan int64)
	go skynet(result, 0, int64(leaves))
	sum := <-result
	m.stop(leaves)
	n := int64(leaves)
	m.expect("sum", sum, n*(n-1)/2)
}

func skynet(parent chan int64, number, size int64) {
	if size == 1 {
		parent <- number
		return
	}
	children := make(chan int64)
	for i := int64(0); i < 10; i++ {
		go skynet(children, number+i*(size/10), size/10)
	}
	var sum int64
	for i := 0; i < 10; i++ {
		sum += <-children
	}
	parent <- sum
}

// sieveRow: the prime sieve of one filter task a prime; an op is one prime. The filters that still wait at the end
// are left behind.
func sieveRow(m *measurement) {
	primes := m.scaled(2000, 1)
	m.start()
	ch := make(chan int64)
	go func(out chan int64) {
		for n := int64(2); ; n++ {
			out <- n
		}
	}(ch)
	var last int64
	for i := 0; i < primes; i++ {
		prime := <-ch
		last = prime
		next := make(chan int64)
		go func(in, out chan int64) {
			for {
				if n := <-in; n%prime != 0 {
					out <- n
				}
			}
		}(ch, next)
		ch = next
	}
	m.stop(primes)
	m.expect("last prime", last, nthPrime(primes))
}

// nthPrime counts the plain way.
func nthPrime(n int) int64 {
	var primes []int64
	for candidate := int64(2); len(primes) < n; candidate++ {
		prime := true
		for _, p := range primes {
			if p*p > candidate {
				break
			}
			if candidate%p == 0 {
				prime = false
				break
			}
		}
		if prime {
			primes = append(primes, candidate)
		}
	}
	return primes[n-1]
}

// ringRow: a ring of 100,000 tasks, spawned here; one token goes once around and every task adds one to it; an op is
// one task of the ring.
func ringRow(m *measurement) {
	tasks := m.scaled(100_000, 1)
	m.start()
	first := make(chan int64)
	left := first
	for i := 0; i < tasks; i++ {
		right := make(chan int64)
		go func(in, out chan int64) { out <- 1 + <-in }(left, right)
		left = right
	}
	first <- 0
	token := <-left
	m.stop(tasks)
	m.expect("token", token, int64(tasks))
}

// sleepRow: 100,000 tasks sleep 10 times each, for 10 to 109 ms by a fixed rule; an op is one sleep. How late each
// wakes is collected.
func sleepRow(m *measurement) {
	const sleeps = 10
	tasks := m.scaled(100_000, 1)
	late := make([]int64, tasks*sleeps)
	var wg sync.WaitGroup
	m.start()
	wg.Add(tasks)
	for t := 0; t < tasks; t++ {
		go func(t int) {
			for s := 0; s < sleeps; s++ {
				d := time.Duration(10+(t*7+s*13)%100) * time.Millisecond
				begin := time.Now()
				time.Sleep(d)
				late[t*sleeps+s] = int64(time.Since(begin) - d)
			}
			wg.Done()
		}(t)
	}
	wg.Wait()
	m.stop(tasks * sleeps)
	m.noteLateness(late, "late_ms", time.Millisecond)
}
