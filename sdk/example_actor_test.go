package sdk_test

import (
	"context"
	"fmt"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/sdktest"
)

// porter is a module that an operator can ask for something, and that does something by a schedule:
//
//	culvert action run porter/default announce text=hello --dry-run
//	culvert job list porter/default
type porter struct{}

var (
	_ sdk.Actor[porterSettings]  = porter{}
	_ sdk.Worker[porterSettings] = porter{}
	_ sdk.Measurer               = porter{}
)

type porterSettings struct {
	Rounds sdk.Schedule `json:"rounds" title:"When to make the rounds" default:"daily 22:00" min:"15m"`
	Floors int          `json:"floors" title:"Floors" default:"2" min:"1"`
}

var floors = sdk.Metric{Name: "floors_walked_total", Help: "Floors that were walked.", Kind: sdk.Counter}

func (porter) Describe() sdk.Description {
	return sdk.Description{Name: "porter", Version: "1.0.0"}
}

// Run has nothing to do beside the job and the action.
func (porter) Run(context.Context, *sdk.Instance[porterSettings]) error { return nil }

func (porter) Metrics() []sdk.Metric { return []sdk.Metric{floors} }

func (m porter) Jobs() []sdk.Job[porterSettings] {
	return []sdk.Job[porterSettings]{{
		Name: "rounds", Title: "Make the rounds", DryRun: true, Limit: 30 * time.Minute, Do: m.rounds,
		Schedule: func(s porterSettings) sdk.Schedule { return s.Rounds },
	}}
}

func (porter) rounds(ctx context.Context, in *sdk.Instance[porterSettings], c *sdk.Call) (sdk.Result, error) {
	r := sdk.Result{Columns: []string{"FLOOR", "DOOR"}}
	for i := range in.Settings.Floors {
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		c.Progress(i, in.Settings.Floors, "floors")
		r.Rows = append(r.Rows, []string{fmt.Sprint(i + 1), "locked"})
		if !c.DryRun {
			in.Metrics.Add(floors, 1)
		}
	}
	r.Counts = []sdk.Count{{Name: "locked", N: int64(len(r.Rows))}}
	return r, nil
}

type announcement struct {
	Text  string `json:"text" title:"What to say" required:"true" maxlen:"80"`
	Times int    `json:"times" title:"How often" default:"1" min:"1" max:"3"`
}

func (m porter) Actions() []sdk.Action[porterSettings] {
	return []sdk.Action[porterSettings]{
		{Name: "announce", Title: "Say something", Arguments: announcement{}, Do: announce},
		{Name: "rounds-now", Title: "Make the rounds now", DryRun: true, Limit: 30 * time.Minute, Do: roundsNow},
	}
}

func announce(_ context.Context, _ *sdk.Instance[porterSettings], c *sdk.Call) (sdk.Result, error) {
	var args announcement
	if err := c.Read(&args); err != nil {
		return sdk.Result{}, err
	}
	held := c.Do("find the loudspeaker", func(context.Context) (string, error) { return "on floor 1", nil })
	if !held {
		return sdk.Result{}, nil // the step has said why
	}
	return sdk.Result{Message: fmt.Sprintf("said %q %d times", args.Text, args.Times)}, nil
}

// roundsNow is the job: a run by schedule and one that was asked for are never at the same time.
func roundsNow(ctx context.Context, in *sdk.Instance[porterSettings], c *sdk.Call) (sdk.Result, error) {
	return in.RunJob(ctx, c, "rounds")
}

// An action has arguments and a result; one may be a job that is run now.
func ExampleActor() {
	w, end := run(porter{}, `{"floors":3}`)
	defer end()
	ask := func(action string, a sdktest.Ask) {
		r, err := w.Act(context.Background(), action, a)
		fmt.Println(r.Outcome, r.Message, r.Counts, r.Rows, err)
	}
	ask("announce", sdktest.Ask{Arguments: `{"text":"good night","times":2}`})
	ask("rounds-now", sdktest.Ask{DryRun: true})
	// Output:
	// ok said "good night" 2 times [] [] <nil>
	// ok  [{locked 3}] [[1 locked] [2 locked] [3 locked]] <nil>
}
