package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/adsync/internal/roster"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
)

// synchronisation is one run: it reads the directory, works out what the users of the PBX shall be, and makes them so.
// Its steps are called in the order in which they stand here; one that fails ends it, and nothing is changed before the
// last.
type synchronisation struct {
	config    directory.Config
	servers   []directory.Server
	selection directory.Selection
	rules     roster.Rules
	pbx       pbx.Adapter
	name      string // of the configuration, for hints

	report report
	people []directory.Member
	plan   pbx.Plan
	want   pbx.State
}

// read reads everybody who counts, from the first server that answers.
func (s *synchronisation) read(ctx context.Context) (found string, err error) {
	conn, err := directory.Open(ctx, s.config, s.servers, func(server string, err error) {
		s.report.Warnings = append(s.report.Warnings, fmt.Sprintf("%s was passed over: %v", server, err))
	})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	s.report.Server, s.report.Host = conn.Server, conn.Root().Host
	if doubt := conn.Doubt(); doubt != nil {
		s.report.Hints = append(s.report.Hints, doubt.Message+": "+doubt.For("adsync/"+s.name))
	}
	r, err := conn.Read(ctx, s.selection)
	if err != nil {
		return "", err
	}
	s.people = r.People
	for _, o := range r.Odd {
		s.report.odd(o)
	}
	return fmt.Sprintf("%d people at %s", len(r.People), s.report.Server), nil
}

// compare works out what would change.
func (s *synchronisation) compare(ctx context.Context) (found string, err error) {
	have, err := s.pbx.Read(ctx)
	if err != nil {
		return "", fmt.Errorf("read the users of the PBX: %w", err)
	}
	made, err := roster.Make(have, s.people, s.rules)
	s.plan, s.want = made.Plan, made.Want
	s.report.take(made)
	if err != nil {
		return "", err
	}
	return s.report.Counts.String(), nil
}

// apply makes it so, or in a dry run asks what would come of it. Where somebody else has changed the users since they were
// compared, they are compared again.
func (s *synchronisation) apply(ctx context.Context, dry bool) (found string, err error) {
	do := s.pbx.Apply
	if dry {
		do = s.pbx.Preview
	}
	result, err := do(ctx, s.plan)
	for range 2 {
		if !errors.Is(err, pbx.ErrStale) {
			break
		}
		if _, err := s.compare(ctx); err != nil {
			return "", err
		}
		result, err = do(ctx, s.plan)
	}
	s.report.result(result, s.want)
	switch {
	case err != nil && !errors.Is(err, pbx.ErrReload):
		return "", err
	case err != nil:
		s.report.Warnings = append(s.report.Warnings, err.Error())
	}
	return filesTold(result, dry), nil
}

// filesTold says what becomes of the files of the PBX.
func filesTold(r pbx.Result, dry bool) (found string) {
	found = fmt.Sprintf("%d files written", len(r.Files))
	if dry {
		found = fmt.Sprintf("%d files would be written", len(r.Files))
	}
	if len(r.Removed) > 0 {
		found += fmt.Sprintf(", %d removed: %s", len(r.Removed), strings.Join(r.Removed, ", "))
	}
	return found
}

// step does one step of a run and shows it; those after its name must have held.
type step func(name string, do func(context.Context) (found string, err error), after ...string)

// run does the steps and completes the report. The error is that of the step that failed.
func (s *synchronisation) run(do step, dry bool) (failed error) {
	s.report = begin(time.Now(), dry)
	done := 0
	one := func(name string, f func(context.Context) (string, error), after ...string) {
		do(name, func(ctx context.Context) (string, error) {
			found, err := f(ctx)
			failed = errors.Join(failed, err)
			done++
			return found, err
		}, after...)
	}
	const read, compare, apply = "read the directory", "compare with the PBX", "change the PBX"
	one(read, s.read)
	one(compare, s.compare, read)
	one(apply, func(ctx context.Context) (string, error) { return s.apply(ctx, dry) }, compare)
	if failed == nil && done < 3 {
		failed = errStopped
	}
	s.report.end(time.Now(), failed)
	return failed
}

var errStopped = errors.New("the run was stopped before it had changed anything")

// begin is the report of a run that begins now.
func begin(now time.Time, dry bool) report {
	return report{RunID: now.UTC().Format("20060102T150405.000Z"), Started: now.UTC(), DryRun: dry, Counts: counts{}, Items: []roster.Item{}}
}
