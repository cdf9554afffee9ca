// Command testreport reads the output of go test -json on standard input and prints what a person wants of it: a line a
// package, the whole output of what failed, every skip with its reason, and the sum. It exits 1 when a test failed or
// none ran, and in CI also when one was skipped that did not need a real Asterisk.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
)

type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
	ImportPath                    string
}

type key struct{ pkg, test string }

const allowed = "real Asterisk"

func main() {
	output := map[key][]string{}
	var passed, failed int
	var skips, broken []string
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			fmt.Println(in.Text()) // not from a test: the go command itself speaks
			continue
		}
		k := key{e.Package, e.Test}
		switch e.Action {
		case "output":
			output[k] = append(output[k], e.Output)
		case "build-output":
			fmt.Print(e.Output)
		case "pass":
			passed += count(e)
			done("ok  ", e)
			delete(output, k)
		case "skip":
			if e.Test != "" {
				skips = append(skips, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(output[k])))
			}
			delete(output, k)
		case "fail":
			failed += count(e)
			done("FAIL", e)
			fmt.Print(strings.Join(output[k], ""))
			if e.Test == "" {
				broken = append(broken, e.Package)
			}
		}
	}
	os.Exit(sum(passed, failed, skips, broken))
}

func count(e event) int {
	if e.Test == "" {
		return 0
	}
	return 1
}

func done(word string, e event) {
	if e.Test == "" {
		fmt.Printf("%s %s %.1fs\n", word, e.Package, e.Elapsed)
	}
}

// reason is what the test said when it skipped itself.
func reason(lines []string) string {
	var said []string
	for _, l := range lines {
		l = strings.TrimSpace(l)
		if l != "" && !strings.HasPrefix(l, "===") && !strings.HasPrefix(l, "---") {
			said = append(said, l)
		}
	}
	return strings.Join(said, " ")
}

func sum(passed, failed int, skips, broken []string) int {
	sort.Strings(skips)
	for _, s := range skips {
		fmt.Println("skipped:", s)
	}
	for _, b := range broken {
		fmt.Println("failed:", b)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed, failed, len(skips))
	switch {
	case failed > 0 || len(broken) > 0 || passed == 0:
		return 1
	case os.Getenv("CI") != "":
		for _, s := range skips {
			if !strings.Contains(s, allowed) {
				fmt.Println("in CI nothing may be skipped but what needs a", allowed)
				return 1
			}
		}
	}
	return 0
}
