package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Actor is a [Module] that does something when an operator asks for it: `culvert action run` calls it and shows its steps
// and progress as they come. An author says so with
//
//	var _ sdk.Actor[settings] = adsync{}
//
// and lists what there is to ask for:
//
//	func (m adsync) Actions() []sdk.Action[settings] {
//		return []sdk.Action[settings]{
//			{Name: "release", Title: "Release a number", Arguments: release{}, DryRun: true, Do: m.release},
//		}
//	}
//
//	type release struct {
//		Number string `json:"number" title:"Number" required:"true"`
//	}
//
//	func (adsync) release(ctx context.Context, in *sdk.Instance[settings], c *sdk.Call) (sdk.Result, error) {
//		var args release
//		if err := c.Read(&args); err != nil {
//			return sdk.Result{}, err
//		}
//		...
//	}
type Actor[S any] interface {
	// Actions lists the module's actions. It needs neither settings nor the host, and always returns the same.
	Actions() []Action[S]
}

// Action is something that a module does when an operator asks for it, while the configuration runs.
type Action[S any] struct {
	Name  string // as of a mapping: lower-case letters, digits and -
	Title string
	Help  string // what it does, in a line

	// Arguments is a value of the struct of its arguments, which has the tags of settings and no sites; nil: it takes none.
	// The host checks what an operator gives by it.
	Arguments any

	DryRun bool          // whether Do heeds Call.DryRun
	Limit  time.Duration // for the whole, in seconds; 0: tunnel.ActionLimit. At most tunnel.MaxActionLimit
	Do     Work[S]
}

// Work does an action or one run of a job. in is the Run's own, so what Run has made of it is there. It begins after Run
// has first declared its tunnels, has returned, or has been under way for 10 s.
//
// Its error is a failure; it may be a [Warning] or a [Failure], and what Dial returns has its remedy already. A [Result]
// without an Outcome is one that is ok, or failed where a step of it did. Work returns soon after ctx has ended: when its
// limit has passed, the configuration is stopped or changed, or nobody waits for an action any more. A panic fails it, not
// the module.
type Work[S any] func(ctx context.Context, in *Instance[S], c *Call) (Result, error)

// Result is what came of an action or a run of a job. Its table is for what a person wants to see item by item, such as
// what a dry run would change; more than tunnel.MaxResultRows rows are counted, not shown.
type Result = tunnel.Result

// Count is how often something was so: {"created", 12}.
type Count = tunnel.Count

// describeActions is what the module says of its actions.
func describeActions[S any](all []Action[S]) (out []tunnel.Action, err error) {
	for _, a := range all {
		if a.Do == nil {
			return nil, fmt.Errorf("action %s: it has no Do", a.Name)
		}
		d := tunnel.Action{Name: a.Name, Title: a.Title, Help: a.Help, DryRun: a.DryRun, Seconds: seconds(a.Limit, tunnel.ActionLimit)}
		if a.Arguments != nil {
			if d.Arguments, err = argumentsSchema(reflect.TypeOf(a.Arguments)); err != nil {
				return nil, fmt.Errorf("action %s: %w", a.Name, err)
			}
		}
		out = append(out, d)
	}
	return out, nil
}

func argumentsSchema(t reflect.Type) (json.RawMessage, error) {
	schema, err := settings.Schema(t)
	if err != nil {
		return nil, fmt.Errorf("its arguments: %w", err)
	}
	if settings.HasSites(schema) {
		return nil, errors.New("its arguments hold a site: only settings do")
	}
	return schema, nil
}

// seconds is a limit as a description holds it.
func seconds(limit, otherwise time.Duration) int {
	if limit == 0 {
		limit = otherwise
	}
	return int(limit / time.Second)
}
