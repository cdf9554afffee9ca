// Command working is a module with actions, a job and metrics.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
)

func main() { sdk.Serve(working{}) }

type working struct{}

var (
	_ sdk.Actor[settings]  = working{}
	_ sdk.Worker[settings] = working{}
	_ sdk.Measurer         = working{}
)

type settings struct {
	Schedule sdk.Schedule `json:"schedule" title:"When to sync" default:"off" min:"1m"`
}

var greeted = sdk.Metric{Name: "greetings_total", Help: "Greetings said.", Kind: sdk.Counter, Labels: []string{"loud"}}

func (working) Describe() sdk.Description {
	return sdk.Description{Name: "working", Version: "1.0.0"}
}

func (working) Run(ctx context.Context, in *sdk.Instance[settings]) error { return in.Declare(ctx) }

func (working) Metrics() []sdk.Metric { return []sdk.Metric{greeted} }

func (working) Actions() []sdk.Action[settings] {
	return []sdk.Action[settings]{
		{Name: "greet", Title: "Greet somebody", Help: "as often as you like", Arguments: greeting{}, DryRun: true, Do: greet},
		{Name: "sync-now", Title: "Sync now", DryRun: true, Do: func(ctx context.Context, in *sdk.Instance[settings], c *sdk.Call) (sdk.Result, error) {
			return in.RunJob(ctx, c, "sync")
		}},
		{Name: "hold", Title: "Wait for the end", Do: hold},
		{Name: "fail", Title: "Fail", Do: func(context.Context, *sdk.Instance[settings], *sdk.Call) (sdk.Result, error) {
			return sdk.Result{}, sdk.Failure("the directory is closed", "open it")
		}},
		{Name: "crash", Title: "End the process", Do: func(context.Context, *sdk.Instance[settings], *sdk.Call) (sdk.Result, error) {
			os.Exit(3)
			return sdk.Result{}, nil
		}},
		{Name: "slow", Title: "Take too long", Limit: time.Second, Do: func(ctx context.Context, _ *sdk.Instance[settings], _ *sdk.Call) (sdk.Result, error) {
			<-ctx.Done()
			return sdk.Result{}, ctx.Err()
		}},
	}
}

type greeting struct {
	Name  string     `json:"name" title:"Name" required:"true" maxlen:"20"`
	Times int        `json:"times" title:"How often" default:"1" min:"1" max:"600"`
	Word  string     `json:"word" title:"With what word" enum:"hello,goodbye" default:"hello"`
	Token sdk.Secret `json:"token" title:"Token"`
}

func greet(ctx context.Context, in *sdk.Instance[settings], c *sdk.Call) (sdk.Result, error) {
	var args greeting
	if err := c.Read(&args); err != nil {
		return sdk.Result{}, err
	}
	r := sdk.Result{Columns: []string{"NUMBER", "GREETING"}}
	c.Do("find", func(context.Context) (string, error) { return args.Name + " is there", nil })
	for i := range args.Times {
		c.Progress(i, args.Times, "greetings")
		r.Rows = append(r.Rows, []string{fmt.Sprint(i + 1), args.Word + " " + args.Name})
	}
	if args.Token != "" {
		r.Message = fmt.Sprintf("with a token of %d bytes, %v", len(args.Token.Reveal()), args.Token)
	}
	r.Counts = []sdk.Count{{Name: "greeted", N: int64(args.Times)}}
	if strings.HasPrefix(args.Name, "nobody") {
		return r, sdk.Warning(args.Name+" was not there", "wait for them")
	}
	if !c.DryRun {
		in.Metrics.Add(greeted, float64(args.Times), "no")
	}
	return r, nil
}

// hold waits for its end, and leaves word of it.
func hold(ctx context.Context, in *sdk.Instance[settings], c *sdk.Call) (sdk.Result, error) {
	c.Progress(1, 0, "held")
	<-ctx.Done()
	in.Log.Info("hold has ended", "cause", context.Cause(ctx))
	return sdk.Result{}, ctx.Err()
}

func (working) Jobs() []sdk.Job[settings] {
	return []sdk.Job[settings]{{
		Name: "sync", Title: "Synchronise", DryRun: true, Limit: time.Minute,
		Schedule: func(s settings) sdk.Schedule { return s.Schedule },
		Do:       work,
	}}
}

// work goes on for as long as there is a file "hold" in the configuration's directory, and fails where there is one "fail".
func work(ctx context.Context, in *sdk.Instance[settings], c *sdk.Call) (sdk.Result, error) {
	c.Do("connect", func(context.Context) (string, error) { return "", nil })
	for {
		_, err := os.Stat(filepath.Join(in.Dir, "hold"))
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		c.Progress(1, 2, "users")
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return sdk.Result{}, ctx.Err()
		}
	}
	if _, err := os.Stat(filepath.Join(in.Dir, "fail")); err == nil {
		return sdk.Result{}, sdk.Failure("the directory is closed", "open it")
	}
	return sdk.Result{Message: "all is as it should be", Counts: []sdk.Count{{Name: "unchanged", N: 3}}}, nil
}
