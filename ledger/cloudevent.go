package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The stream of what has changed, and its subjects. It is made from the ledger and from
// the deliveries, and holds no value of any profile.
const (
	// ChangesStream has one message for each CloudEvent, in CloudEvents binary mode.
	ChangesStream = "CHANGES"
	// ChangedSubjects match the events about profiles and resumes, and DeliverySubjects
	// the delivery receipts.
	ChangedSubjects  = "changed.>"
	DeliverySubjects = "delivery.>"
)

// ChangedSubject is where the events about one view of a profile are published; Shared is
// the view of the profile itself.
func ChangedSubject(p ProfileID, view string) string { return "changed." + p.String() + "." + view }

// DeliverySubject is where the receipts of a profile's deliveries to a provider are
// published.
func DeliverySubject(provider string, p ProfileID) string {
	return "delivery." + provider + "." + p.String()
}

// ProfileSubjects match every event about one profile.
func ProfileSubjects(p ProfileID) []string {
	return []string{ChangedSubject(p, "*"), DeliverySubject("*", p)}
}

// The types of events for subscribers. A type that is published keeps its meaning; what
// must change gets another version.
const (
	TypeProfileChanged    = "vitae.profile.changed.v1"
	TypeProfileErased     = "vitae.profile.erased.v1"
	TypeResumeCreated     = "vitae.resume.created.v1"
	TypeResumeDeleted     = "vitae.resume.deleted.v1"
	TypeDeliveryDelivered = "vitae.delivery.delivered.v1"
	TypeDeliveryParked    = "vitae.delivery.parked.v1"
	TypeDeliveryUncertain = "vitae.delivery.uncertain.v1"
	TypeDeliveryDrifted   = "vitae.delivery.drifted.v1"
)

// CloudEventTypes lists every type that is published.
func CloudEventTypes() []string {
	return []string{TypeProfileChanged, TypeProfileErased, TypeResumeCreated, TypeResumeDeleted,
		TypeDeliveryDelivered, TypeDeliveryParked, TypeDeliveryUncertain, TypeDeliveryDrifted}
}

// TypeReset is the type of the event that tells a subscriber that events before the one at
// First are not kept any more: read the state, and go on from there. It is never published:
// each subscriber that is behind gets one of its own.
const TypeReset = "reset"

// ResetEvent is that event, for a subscriber who asked for the event at from. profile is the
// one whose events are followed; zero for all. The same events are missing under the same id.
func ResetEvent(source string, from, first uint64, profile ProfileID, now time.Time) CloudEvent {
	e := CloudEvent{ID: fmt.Sprintf("reset.%d.%d", from, first), Source: source, Type: TypeReset, Time: now.UTC().Truncate(time.Millisecond)}
	state := "/v1/profiles"
	if !profile.IsZero() {
		e.Subject = profile.String()
		state += "/" + e.Subject
	}
	e.Data = fmt.Appendf(nil, `{"from":%d,"first":%d,"state":%q}`, from, first, state)
	return e
}

// CloudEvent is one notification for subscribers, in the words of CloudEvents 1.0. Its ID
// is derived from what it is about (see ChangedID): however often and by whatever road it
// is delivered, the ID is the same, and no two events of one Source share one.
type CloudEvent struct {
	ID      string
	Source  string    // which ledger: see CloudEventSource
	Type    string    // one of CloudEventTypes
	Subject string    // the profile's id
	Time    time.Time // of the commit, or of the step of a delivery: UTC, whole milliseconds
	// Data is a compact JSON object: a Changed, a LifeCycle or a Receipt. It holds no value of
	// a profile, but for "values" in an event on its way to somebody who may see them.
	Data json.RawMessage
}

const (
	cloudEventsVersion = "1.0"
	cloudEventsData    = "application/json"
)

// CloudEventsMediaType is the media type of AppendCloudEvent's form.
const CloudEventsMediaType = "application/cloudevents+json"

// CloudEventSource names a ledger by its lineage.
func CloudEventSource(lineage string) string { return "urn:vitae:ledger:" + lineage }

// ChangedID is the id of the event that says that a commit touched a view. step is "" for
// TypeProfileChanged, and created, deleted or erased for the event of that step.
func ChangedID(c CommitID, view, step string) string {
	id := c.String() + "." + view
	if step != "" {
		id += "." + step
	}
	return id
}

// Changed is the data of a TypeProfileChanged: a commit touched a view. Fields has each
// field once, in the order of the commit's events, without items and with the locale; it
// is empty when a resume was copied and nothing else.
type Changed struct {
	Profile ProfileID `json:"profile"`
	View    string    `json:"view"`
	Commit  CommitID  `json:"commit"`
	Seq     Seq       `json:"seq"`
	Fields  []string  `json:"fields"`
	Actor   string    `json:"actor"`
	Via     string    `json:"via"`
}

// LifeCycle is the data of the other events about a profile or a resume.
type LifeCycle struct {
	Profile ProfileID `json:"profile"`
	View    string    `json:"view"` // Shared for the profile
	Commit  CommitID  `json:"commit"`
	Seq     Seq       `json:"seq"`
	From    string    `json:"from,omitempty"` // of TypeResumeCreated: the resume that it is a copy of
	Actor   string    `json:"actor"`
	Via     string    `json:"via"`
}

// Receipt is the data of a delivery event: what became of a lane's edits.
type Receipt struct {
	Profile  ProfileID `json:"profile"`
	Provider string    `json:"provider"`
	Entity   string    `json:"entity"`            // the lane: the profile, a section, an item
	FromSeq  Seq       `json:"fromSeq"`           // the commits that it is about, from here
	ToSeq    Seq       `json:"toSeq"`             // to here
	Attempt  string    `json:"attempt,omitempty"` // the lane's last attempt; absent before the first
	Code     string    `json:"code,omitempty"`    // parked, uncertain: why, as one word
	Reason   string    `json:"reason,omitempty"`  // the same for people, in our own words
	Verify   string    `json:"verify,omitempty"`  // delivered: how it is known
	Actor    string    `json:"actor,omitempty"`   // who decided, when a person did
}

// AppendCloudEvent appends the event in the JSON format: compact, members in one order, so
// that equal events have equal bytes.
func AppendCloudEvent(b []byte, e *CloudEvent) []byte {
	b = append(b, `{"specversion":"1.0","id":`...)
	b = appendQuoted(b, e.ID)
	b = append(b, `,"source":`...)
	b = appendQuoted(b, e.Source)
	b = append(b, `,"type":`...)
	b = appendQuoted(b, e.Type)
	if e.Subject != "" {
		b = append(b, `,"subject":`...)
		b = appendQuoted(b, e.Subject)
	}
	b = append(b, `,"time":"`...)
	b = e.Time.UTC().AppendFormat(b, timeLayout)
	b = append(b, `","datacontenttype":"application/json","data":`...)
	b = append(b, e.Data...)
	return append(b, '}')
}

// MarshalJSON is AppendCloudEvent.
func (e CloudEvent) MarshalJSON() ([]byte, error) { return AppendCloudEvent(nil, &e), nil }

// UnmarshalJSON is ParseCloudEvent.
func (e *CloudEvent) UnmarshalJSON(b []byte) (err error) {
	*e, err = ParseCloudEvent(b)
	return err
}

// ParseCloudEvent reads an event of ours in the JSON format. It is strict: an attribute
// that we do not write, a missing one, a name twice or data that is no object is
// ErrFormat. The order of the members does not matter. The event keeps nothing of b.
func ParseCloudEvent(b []byte) (CloudEvent, error) {
	n, err := ParseJSON(b)
	if err != nil {
		return CloudEvent{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if n.Kind != NodeObject {
		return CloudEvent{}, fmt.Errorf("%w: an event must be an object", ErrFormat)
	}
	attributes := map[string]string{}
	var data []byte
	for _, m := range n.Members {
		switch {
		case m.Name == "data" && m.Node.Kind == NodeObject:
			data = m.Node.Append(nil)
		case m.Name != "data" && m.Node.Kind == NodeString:
			attributes[m.Name] = m.Node.Text
		default:
			return CloudEvent{}, fmt.Errorf("%w: %q of an event is %s", ErrFormat, clip(m.Name), m.Node.Kind)
		}
	}
	return cloudEventOf(attributes, data)
}

// headerPrefix begins the headers that are attributes, in binary mode.
const headerPrefix = "ce-"

// Headers gives the event's attributes as headers of a message, in CloudEvents binary
// mode; the message's payload is Data. The map is the caller's.
func (e *CloudEvent) Headers() map[string][]string {
	h := map[string][]string{
		headerPrefix + "specversion":     {cloudEventsVersion},
		headerPrefix + "id":              {e.ID},
		headerPrefix + "source":          {e.Source},
		headerPrefix + "type":            {e.Type},
		headerPrefix + "time":            {e.Time.UTC().Format(timeLayout)},
		headerPrefix + "datacontenttype": {cloudEventsData},
	}
	if e.Subject != "" {
		h[headerPrefix+"subject"] = []string{e.Subject}
	}
	return h
}

// CloudEventOf reads a message in binary mode. Headers that are no attributes are passed
// over; in attributes and data it is as strict as ParseCloudEvent. The event keeps data.
func CloudEventOf(headers map[string][]string, data []byte) (CloudEvent, error) {
	attributes := map[string]string{}
	for name, values := range headers {
		name, ok := strings.CutPrefix(name, headerPrefix)
		if !ok {
			continue
		}
		if len(values) != 1 {
			return CloudEvent{}, fmt.Errorf("%w: %q of an event is there %d times", ErrFormat, clip(name), len(values))
		}
		attributes[name] = values[0]
	}
	return cloudEventOf(attributes, data)
}

func cloudEventOf(attributes map[string]string, data []byte) (CloudEvent, error) {
	var e CloudEvent
	var version, media, at string
	var errs []error
	for _, a := range []struct {
		name     string
		to       *string
		optional bool
	}{
		{"specversion", &version, false}, {"id", &e.ID, false}, {"source", &e.Source, false}, {"type", &e.Type, false},
		{"subject", &e.Subject, true}, {"time", &at, false}, {"datacontenttype", &media, false},
	} {
		*a.to = attributes[a.name]
		delete(attributes, a.name)
		if *a.to == "" && !a.optional {
			errs = append(errs, fmt.Errorf("%s is missing", a.name))
		}
	}
	for _, name := range sortedKeys(attributes) {
		errs = append(errs, fmt.Errorf("%q is no attribute of ours", clip(name)))
	}
	if version != "" && version != cloudEventsVersion {
		errs = append(errs, errors.New("specversion is another one than 1.0"))
	}
	if media != "" && media != cloudEventsData {
		errs = append(errs, errors.New("datacontenttype is another one than application/json"))
	}
	if at != "" {
		var err error
		if e.Time, err = time.Parse(timeLayout, at); err != nil {
			errs = append(errs, errors.New("time is not in RFC 3339, UTC, with milliseconds"))
		}
	}
	if data = bytes.TrimSpace(data); len(data) == 0 || data[0] != '{' || !json.Valid(data) {
		errs = append(errs, errors.New("data is not an object"))
	}
	if err := errors.Join(errs...); err != nil {
		return CloudEvent{}, fmt.Errorf("%w: not an event of ours: %w", ErrFormat, err)
	}
	e.Data = data
	return e, nil
}

// Notice is an event and the subject of ChangesStream that it is published on.
type Notice struct {
	Address string
	Event   CloudEvent
}

// Notices gives the events that a commit at a sequence makes, in order: for each view
// that its events touch, in the order in which they first do, that it was created, deleted
// or erased, and that it changed. source is the ledger's (see CloudEventSource). It is a
// pure function: the same commit makes the same events for ever.
//
// A decision about a parked delivery changes nothing of the profile and makes no event;
// what comes of it is a receipt. A resume that was deleted, and a profile that was erased,
// make no TypeProfileChanged: there is nothing left to read.
func (c *Commit) Notices(seq Seq, source string) []Notice {
	var views []string
	touched := map[string]*touch{}
	for i := range c.Events {
		e := &c.Events[i]
		if e.Op == OpDecided {
			continue
		}
		t := touched[e.View]
		if t == nil {
			t = &touch{fields: []string{}}
			touched[e.View] = t
			views = append(views, e.View)
		}
		t.add(e)
	}
	out := make([]Notice, 0, len(views))
	for _, view := range views {
		t := touched[view]
		if t.step != "" {
			life := LifeCycle{Profile: c.Profile, View: view, Commit: c.ID, Seq: seq, From: t.from, Actor: c.Meta.Actor, Via: c.Meta.Via}
			out = append(out, c.notice(view, t.step, source, t.kind, life))
		}
		if t.step == "" || t.kind == TypeResumeCreated {
			changed := Changed{Profile: c.Profile, View: view, Commit: c.ID, Seq: seq, Fields: t.fields, Actor: c.Meta.Actor, Via: c.Meta.Via}
			out = append(out, c.notice(view, "", source, TypeProfileChanged, changed))
		}
	}
	return out
}

// touch is what a commit did to one view.
type touch struct {
	fields           []string
	step, kind, from string // of its life
}

func (t *touch) add(e *Event) {
	switch {
	case e.Op == OpErased:
		t.step, t.kind = "erased", TypeProfileErased
	case e.Op == OpCopied:
		t.step, t.kind, t.from = "created", TypeResumeCreated, e.Item
	case e.Op == OpDeleted && e.Field == "":
		t.step, t.kind = "deleted", TypeResumeDeleted
	case e.Field != "":
		for _, f := range t.fields {
			if f == e.Field {
				return
			}
		}
		t.fields = append(t.fields, e.Field)
	}
}

func (c *Commit) notice(view, step, source, kind string, data any) Notice {
	// The structs hold texts and numbers only: they can be written.
	b, _ := json.Marshal(data)
	return Notice{ChangedSubject(c.Profile, view), CloudEvent{ID: ChangedID(c.ID, view, step), Source: source, Type: kind,
		Subject: c.Profile.String(), Time: c.Time.UTC(), Data: b}}
}
