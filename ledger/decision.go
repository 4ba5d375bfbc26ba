package ledger

import (
	"encoding/json"
	"slices"
)

// Actions are what a person can decide about a parked delivery. The words are the
// storage format.
func Actions() []string { return []string{"retry", "mark_done", "skip", "recreate"} }

// decision is the value of an event of OpDecided.
type decision struct {
	Action string `json:"action"`
	Park   string `json:"park"` // the ULID of the parked delivery
}

// DecisionValue is the value of an event of OpDecided: {"action":"...","park":"..."}.
// ok is false unless action is one of Actions and park is a ULID.
func DecisionValue(action, park string) (v Value, ok bool) {
	if _, err := ParseCommitID(park); err != nil || !slices.Contains(Actions(), action) {
		return nil, false
	}
	// Neither text has anything to escape.
	return Value(`{"action":"` + action + `","park":"` + park + `"}`), true
}

// isDecision says whether an event of OpDecided has the one form that there is. A value
// that is sealed only has to be there.
func (e *Event) isDecision() bool {
	if e.View != Shared || e.Field != Deliveries || !slices.Contains(Providers(), e.Item) || e.Order != nil || !e.HasValue() {
		return false
	}
	if e.Value == nil {
		return true
	}
	var d decision
	if err := json.Unmarshal(e.Value, &d); err != nil {
		return false
	}
	want, ok := DecisionValue(d.Action, d.Park)
	return ok && e.Typed == nil && want.Equal(e.Value)
}
