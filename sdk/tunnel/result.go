package tunnel

// Bounds of a result. What is more than that, the SDK leaves out and counts.
const (
	MaxResultRows    = 500
	MaxResultColumns = 8
	MaxResultCounts  = 20
	MaxResultCell    = 200 // bytes
)

// How an action or job went.
const (
	ResultOK      = "ok"
	ResultPartial = "partial" // something of it did not work
	ResultFailed  = "failed"
)

// Result is what came of an action or job: how it went, in one sentence, with what to do where something is to be done;
// how often what was so; and a table of what was, or in a dry run would be, changed.
type Result struct {
	Outcome string
	Message string
	Remedy  string
	Counts  []Count
	Columns []string
	Rows    [][]string // each as long as Columns
	More    int        // rows that were left out
}

// Count is how often something was so: {"created", 12}.
type Count struct {
	Name string `json:"name"`
	N    int64  `json:"n"`
}

// Shown is r within the bounds and fit to show: texts escaped and cut, rows as long as the columns, what is too many
// left out, and an outcome that there is not made a failure.
func (r Result) Shown() Result {
	out := Result{Outcome: r.Outcome, Message: Clean(r.Message, MaxTestText), Remedy: Clean(r.Remedy, MaxTestText), More: max(r.More, 0)}
	switch r.Outcome {
	case ResultOK, ResultPartial, ResultFailed:
	default:
		out.Outcome = ResultFailed
	}
	for _, c := range r.Counts[:min(len(r.Counts), MaxResultCounts)] {
		out.Counts = append(out.Counts, Count{Clean(c.Name, MaxTestStep), c.N})
	}
	out.Columns = cells(r.Columns, min(len(r.Columns), MaxResultColumns))
	kept := min(len(r.Rows), MaxResultRows)
	if len(out.Columns) == 0 {
		kept = 0
	}
	for _, row := range r.Rows[:kept] {
		out.Rows = append(out.Rows, cells(row, len(out.Columns)))
	}
	out.More += len(r.Rows) - kept
	return out
}

// cells are the first n of a row, "" where it has fewer.
func cells(row []string, n int) []string {
	if n == 0 {
		return nil
	}
	out := make([]string, n)
	for i := range out {
		if i < len(row) {
			out[i] = Clean(row[i], MaxResultCell)
		}
	}
	return out
}

// Summary is r without its table: what is kept of a run.
func (r Result) Summary() Result {
	r.Columns, r.Rows, r.More = nil, nil, 0
	return r
}
