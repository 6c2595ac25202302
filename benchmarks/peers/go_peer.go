// Go's net/http as a row: the interface of bench, a goroutine for each connection.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const warmUp = 500

type job struct {
	tls         bool
	connections int
	bodyBytes   int64
	path        string
}

func parseWork(work string) (job, error) {
	parts := strings.Split(work, "-")
	if len(parts) != 3 || (parts[0] != "plain" && parts[0] != "tls") {
		return job{}, errors.New("not a kind of work: " + work)
	}
	j := job{tls: parts[0] == "tls", connections: 1, path: "/" + parts[2]}
	var err error
	if parts[1] != "seq" {
		if j.connections, err = strconv.Atoi(parts[1]); err != nil {
			return job{}, err
		}
	}
	digits, shift := strings.TrimSuffix(parts[2], "k"), 10
	if digits == parts[2] {
		digits, shift = strings.TrimSuffix(parts[2], "m"), 20
	}
	if digits == parts[2] {
		shift = 0
	}
	count, err := strconv.ParseInt(digits, 10, 32)
	j.bodyBytes = count << shift
	return j, err
}

func newClient(j job, ca string) (*http.Client, error) {
	transport := &http.Transport{
		MaxIdleConnsPerHost: j.connections,
		DisableCompression:  true,
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{}, // no HTTP/2
	}
	if j.tls {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, errors.New("no certificate in " + ca)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return &http.Client{Transport: transport}, nil
}

func exchange(client *http.Client, url string, bodyBytes int64) error {
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "") // an empty one is not sent
	request.Header.Set("Connection", "keep-alive")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	received, err := io.Copy(io.Discard, response.Body)
	response.Body.Close()
	if err == nil && (response.StatusCode != 200 || received != bodyBytes) {
		err = fmt.Errorf("unexpected response: %s with %d bytes", response.Status, received)
	}
	return err
}

// Sends the requests from as many goroutines as there are connections; the first error is the answer.
func run(client *http.Client, url string, j job, requests int64) error {
	var group sync.WaitGroup
	failures := make(chan error, j.connections)
	for i := 0; i < j.connections; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for atomic.AddInt64(&requests, -1) >= 0 {
				if err := exchange(client, url, j.bodyBytes); err != nil {
					failures <- err
					return
				}
			}
		}()
	}
	group.Wait()
	select {
	case err := <-failures:
		return err
	default:
		return nil
	}
}

func cpu() (user, system int64, err error) {
	var usage syscall.Rusage
	err = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano(), usage.Stime.Nano(), err
}

func measure(row, work, host, port, ca string, requests int64) error {
	j, err := parseWork(work)
	if err != nil {
		return err
	}
	client, err := newClient(j, ca)
	if err != nil {
		return err
	}
	url := map[bool]string{false: "http://", true: "https://"}[j.tls] + host + ":" + port + j.path
	if err = run(client, url, j, warmUp); err != nil {
		return err
	}
	start := time.Now()
	userBefore, systemBefore, err := cpu()
	if err != nil {
		return err
	}
	if err = run(client, url, j, requests); err != nil {
		return err
	}
	user, system, err := cpu()
	if err != nil {
		return err
	}
	each := float64(requests)
	userNs, systemNs := float64(user-userBefore)/each, float64(system-systemBefore)/each
	fmt.Printf("row=%s\twork=%s\trequests=%d\ttitle=%s\tper_second=%.1f\tcpu_ns=%.1f\tuser_ns=%.1f\tsystem_ns=%.1f\n",
		row, work, requests, title(), each/time.Since(start).Seconds(), userNs+systemNs, userNs, systemNs)
	return nil
}

func title() string { return "Go net/http (" + strings.TrimPrefix(runtime.Version(), "go") + ")" }

func main() {
	list := flag.String("list", "", "the rows for this work")
	row := flag.String("row", "", "must be go")
	work := flag.String("work", "", "such as tls-32-16k")
	requests := flag.Int64("requests", 0, "how many are measured")
	host := flag.String("host", "127.0.0.1", "")
	port := flag.String("port", "", "")
	ca := flag.String("ca", "", "roots for TLS")
	flag.Parse()
	var err error
	if *list != "" {
		if _, err = parseWork(*list); err == nil {
			fmt.Printf("go\t%s\n", title())
		}
	} else if *row != "go" || *requests <= 0 {
		err = errors.New("no row " + *row + ", or no number of requests")
	} else {
		err = measure(*row, *work, *host, *port, *ca, *requests)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "go_peer:", err)
		os.Exit(1)
	}
}
