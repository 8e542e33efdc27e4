// Go's servers for the network rows: a goroutine for each connection, as in Go's own documentation.
//
//	go_net_server echo         sends back what comes
//	go_net_server http TEXT    answers every request with TEXT
//
// Listens on 127.0.0.1, on a port that the system picks, and prints "listening on 127.0.0.1:PORT". GOMAXPROCS comes
// from the environment.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

// What an echo server reads at once, as in bench/net/listen.h.
const readSize = 4096

func die(why any) {
	fmt.Fprintln(os.Stderr, "go_net_server:", why)
	os.Exit(1)
}

func echo(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, readSize)
	for {
		got, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:got]); err != nil {
			return
		}
	}
}

func serveEcho(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			die(err)
		}
		go echo(connection)
	}
}

func serveHTTP(listener net.Listener, text string) {
	body := []byte(text)
	answer := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write(body)
	}
	die(http.Serve(listener, http.HandlerFunc(answer)))
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		die(err)
	}
	fmt.Println("listening on", listener.Addr())
	switch {
	case len(os.Args) == 2 && os.Args[1] == "echo":
		serveEcho(listener)
	case len(os.Args) == 3 && os.Args[1] == "http":
		serveHTTP(listener, os.Args[2])
	default:
		die("usage: go_net_server echo | http TEXT")
	}
}
