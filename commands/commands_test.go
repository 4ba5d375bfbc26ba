package commands

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitae/ledger"
)

// every is one command of each kind, all of them taken by a profile that has something.
func every(t *testing.T) map[string]ledger.Command {
	t.Helper()
	made := map[string]ledger.Command{}
	add := func(name string) func(ledger.Command, error) {
		return func(c ledger.Command, err error) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			made[name] = c
		}
	}
	r1, r2 := resumeAlias("R1"), resumeAlias("R2")
	add(kindPatch)(Patch(ledger.Base, []byte(` {"firstName" : "Ann <b>&", "website":"ann.example"} `)))
	add(kindPatchResume)(PatchResume(r1, []byte(`{"name":"New"}`)))
	add(kindCreateResume)(CreateResume(r2, []byte(`{"name":"Second","skills":[{"name":"C"}]}`)))
	add(kindDeleteResume)(DeleteResume(r1))
	add(kindAddItem)(AddItem(ledger.Base, "skills", "", []byte(`{"name":"C"}`)))
	add(kindPatchItem)(PatchItem(r1, "skills", "go", []byte(`{"level":"expert"}`)))
	add(kindRemoveItem)(RemoveItem(ledger.Base, "skills", "go"))
	add(kindUnbind)(Unbind(ledger.Mokaru))
	add(kindDecide)(Decide(ledger.LinkedIn, "01J8Z3K5V6Q7R8S9T0V1W2X3Y4", "mark_done"))
	add(kindErase)(Erase(), nil)
	add(kindEmpty)(Empty(), nil)
	b, err := Bind(ledger.Mokaru, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Rotate = true
	made[kindBind] = b
	made[kindAll] = All(made[kindPatch], made[kindAddItem], made[kindBind])
	return made
}

// someone is a profile that every command finds something in.
func someone(t tester) *world {
	t.Helper()
	w := newProfile(t)
	w.must(t)(Patch(ledger.Base, []byte(`{"firstName":"Jane","skills":[{"id":"go","name":"Go"}],"phones":[{"number":"+1","type":"HOME"},{"id":"two","number":"+2"}]}`)))
	w.must(t)(CreateResume(resumeAlias("R1"), []byte(`{"name":"Short"}`)))
	w.must(t)(binding(Bind(ledger.Mokaru, nil)))
	return w
}

// TestForwarding: every command decides the same after it was sent to another instance.
func TestForwarding(t *testing.T) {
	for name, c := range every(t) {
		t.Run(name, func(t *testing.T) {
			w := someone(t)
			events, err := c.Decide(w.p, w.env())
			if err != nil || len(events) == 0 {
				t.Fatalf("%d events, %v", len(events), err)
			}
			sameDecision(t, w, c, events, err)
		})
	}
	c, err := Create(testProfile, []byte(`{"firstName":"J"}`))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	events, err := c.Decide(w.p, w.env())
	sameDecision(t, w, c, events, err)
}

// TestUnusualStates: every command on a profile that is not there or not any more.
func TestUnusualStates(t *testing.T) {
	for name, c := range every(t) {
		w := newWorld()
		if _, err := c.Decide(w.p, w.env()); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%s of an unknown profile: %v", name, err)
		}
		w = someone(t)
		w.must(t)(Erase(), nil)
		if _, err := c.Decide(w.p, w.env()); !errors.Is(err, ledger.ErrErased) {
			t.Errorf("%s of an erased profile: %v", name, err)
		}
	}
}

func TestDecodeRefusesWhatIsNoCommand(t *testing.T) {
	for _, text := range []string{``, `null`, `{}`, `[]`, `{"kind":"nothing"}`, `{"kind":"erase"} x`, `{"kind":"erase"}{}`, `{"kind":"erase","more":1}`,
		`{"kind":"create"}`, `{"kind":"patch","view":"base"}`, `{"kind":"patch","view":"base","body":{"nope":1}}`,
		`{"kind":"all","parts":[{"kind":"nothing"}]}`, `{"kind":"bind","provider":"x"}`,
		`{"kind":"decide"}`, `{"kind":"decide","provider":"x","item":"01J8Z3K5V6Q7R8S9T0V1W2X3Y4","action":"retry"}`, `{"kind":"decide","provider":"mokaru","item":"1","action":"retry"}`,
		`{"kind":"decide","provider":"mokaru","item":"01J8Z3K5V6Q7R8S9T0V1W2X3Y4","action":"later"}`, `{"kind":"delete_resume","view":"shared"}`} {
		if c, err := Decode([]byte(text)); err == nil || c != nil {
			t.Errorf("%s is taken for %v, %v", text, c, err)
		}
	}
	if _, err := Encode(nil); err == nil {
		t.Error("a foreign command was encoded")
	}
	if _, err := Encode(All(nil)); err == nil {
		t.Error("a foreign part was encoded")
	}
}

// TestBodyTravelsAsTyped: the wire holds the body's text as it was.
func TestBodyTravelsAsTyped(t *testing.T) {
	c, err := Patch(ledger.Base, []byte(`{"headline":"<a>&é\u00e9"}`))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Encode(c)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"kind":"patch","view":"base","body":{"headline":"<a>&é\u00e9"}}`; string(b) != want {
		t.Errorf("got %s, want %s", b, want)
	}
}

// TestAll: several commands are one commit, each part decided on what the parts before
// it did, and refused as a whole with every wrong field.
func TestAll(t *testing.T) {
	part := func(c ledger.Command, err error) ledger.Command {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	w := newWorld()
	got := show(w.must(t)(All(
		part(Create(testProfile, []byte(`{"firstName":"J"}`))),
		part(AddItem(ledger.Base, "skills", "go", []byte(`{"name":"Go"}`))),
		part(PatchItem(ledger.Base, "skills", "go", []byte(`{"level":"expert"}`))),
		part(AddItem(ledger.Shared, "jarvi.historyEntries", "h", []byte(`{"subject":"Call"}`))),
	), nil))
	want := `created shared
set shared firstName "J"
put base skills go {"name":"Go"}
put base skills go {"name":"Go","level":"expert"}
put shared jarvi.historyEntries h {"subject":"Call"}
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	w = newProfile(t)
	full := strings.TrimSuffix(strings.Repeat(`{"name":"x"},`, 100), ",")
	w.must(t)(Patch(ledger.Base, []byte(`{"skills":[`+full+`],"interests":[`+full+`]}`)))
	refused := w.refused(t)(All(
		part(AddItem(ledger.Base, "skills", "", []byte(`{"name":"y"}`))),
		part(Patch(ledger.Base, []byte(`{"headline":"x"}`))),
		part(AddItem(ledger.Base, "interests", "", []byte(`{"name":"y"}`))),
	), nil)
	if want := []string{"too_many_items", "too_many_items"}; !slices.Equal(refused, want) {
		t.Errorf("got %v, want %v", refused, want)
	}
	if w.p.Scalar("headline") != nil {
		t.Error("a part of a refused command had an effect")
	}
	w.fails(t, ledger.ErrNotFound)(All(part(Patch(ledger.Base, []byte(`{"headline":"x"}`))), part(RemoveItem(ledger.Base, "skills", "nobody"))), nil)
	if events := w.must(t)(All(), nil); len(events) > 0 {
		t.Errorf("nothing at all gives %s", show(events))
	}
}

// TestFiles: every file that a request names is listed with its place.
func TestFiles(t *testing.T) {
	a, b := "sha256:"+strings.Repeat("a", 64), "sha256:"+strings.Repeat("b", 64)
	item := `{"jobTitle":"t","company":"c","postpress":{"attachment":{"type":"media","title":"cv","file":"` + b + `"}}}`
	made := func(c ledger.Command, err error) ledger.Command {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	patch := made(Patch(ledger.Base, []byte(`{"picture":"`+a+`","coverPicture":null,"headline":"`+a+`","workExperiences":[`+item+`]}`)))
	add := made(AddItem(ledger.Base, "workExperiences", "", []byte(item)))
	tests := map[string]struct {
		c    ledger.Command
		want []string
	}{
		"patch":  {patch, []string{"/picture " + a[7:], "/workExperiences/0/postpress/attachment/file " + b[7:]}},
		"create": {made(Create(testProfile, []byte(`{"coverPicture":"`+b+`"}`))), []string{"/coverPicture " + b[7:]}},
		"add":    {add, []string{"/postpress/attachment/file " + b[7:]}},
		"edit":   {made(PatchItem(ledger.Base, "workExperiences", "x", []byte(item))), []string{"/postpress/attachment/file " + b[7:]}},
		"copy":   {made(CreateResume(resumeAlias("R1"), []byte(`{"name":"n","workExperiences":[`+item+`]}`))), []string{"/workExperiences/0/postpress/attachment/file " + b[7:]}},
		"resume": {made(PatchResume(ledger.Base, []byte(`{"workExperiences":[`+item+`]}`))), []string{"/workExperiences/0/postpress/attachment/file " + b[7:]}},
		"once":   {made(AddItem(ledger.Shared, "jarvi.files", "", []byte(`{"fileName":"f","file":"`+a+`"}`))), []string{"/file " + a[7:]}},
		"all":    {All(add, Erase()), []string{"/postpress/attachment/file " + b[7:]}},
	}
	for name, tt := range tests {
		var got []string
		for _, ref := range tt.c.(WithFiles).Files() {
			got = append(got, ref.Pointer+" "+ref.Hash.String())
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	w := newProfile(t)
	if got := w.refused(t)(Patch(ledger.Base, []byte(`{"picture":"me.png"}`))); got[0] != "/picture invalid_format" {
		t.Errorf("got %v", got)
	}
}

// TestCreated: the id of what is made is known beforehand where it can be.
func TestCreated(t *testing.T) {
	item := []byte(`{"name":"Go"}`)
	named := []byte(`{"name":"Go","id":"own"}`)
	id := func(c ledger.Command, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c.(WithCreated).Created()
	}
	add1, err := AddItem(ledger.Base, "skills", "x", item)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ got, want string }{
		{id(CreateResume(resumeAlias("R1"), []byte(`{"name":"n"}`))), resumeAlias("R1")},
		{id(add1, nil), "x"},
		{id(AddItem(ledger.Base, "skills", "x", named)), "own"},
		{id(AddItem(ledger.Base, "skills", "", item)), ""},
		{id(All(add1, Erase()), nil), "x"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// TestNames: what cannot be an id or a field is refused before any state is looked at.
func TestNames(t *testing.T) {
	w := someone(t)
	item := []byte(`{"name":"Go"}`)
	for _, bad := range []string{"", "shared", "BASE", "r1", strings.ToLower(resumeAlias("ra")), "\xff"} {
		w.fails(t, ledger.ErrNotFound)(Patch(bad, []byte(`{"name":"x"}`)))
		w.fails(t, ledger.ErrNotFound)(DeleteResume(bad))
		w.fails(t, ledger.ErrNotFound)(AddItem(bad, "skills", "", item))
	}
	w.fails(t, ledger.ErrBadID)(CreateResume(ledger.Base, []byte(`{"name":"x"}`)))
	for _, bad := range []string{"a b", "\"", "é", strings.Repeat("x", 65)} {
		w.refused(t)(AddItem(ledger.Base, "skills", bad, item))
		w.fails(t, ledger.ErrNotFound)(PatchItem(ledger.Base, "skills", bad, item))
		w.fails(t, ledger.ErrNotFound)(RemoveItem(ledger.Base, "skills", bad))
	}
	for _, bad := range []string{"", "firstName", "skills@fr_FR", "linkedin", "name"} {
		if got := w.refused(t)(RemoveItem(ledger.Base, bad, "x")); !slices.Equal(got, []string{"unknown_field"}) {
			t.Errorf("%q: %v", bad, got)
		}
	}
	w.fails(t, ledger.ErrNotFound)(binding(Bind("MOKARU", nil)))
	w.fails(t, ledger.ErrNotFound)(Unbind(""))
	other := newWorld()
	other.p.ID = ledger.ProfileID{1}
	other.fails(t, ledger.ErrNotAllowed)(Create(testProfile, nil))
}

// TestDecideNamesEveryMistake: and knows the providers.
func TestDecideNamesEveryMistake(t *testing.T) {
	_, err := Decide(ledger.Mokaru, "nothing", "later")
	var r *ledger.Refusal
	if !errors.As(err, &r) || len(r.Fields) != 2 {
		t.Errorf("%v", err)
	}
	if _, err := Decide("elsewhere", "01J8Z3K5V6Q7R8S9T0V1W2X3Y4", "retry"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("%v", err)
	}
	w := someone(t)
	before := w.p.Clone()
	events := w.must(t)(Decide(ledger.Mokaru, "01J8Z3K5V6Q7R8S9T0V1W2X3Y4", "skip"))
	if len(events) != 1 || events[0].Op != ledger.OpDecided || events[0].Item != ledger.Mokaru || string(events[0].Value) != `{"action":"skip","park":"01J8Z3K5V6Q7R8S9T0V1W2X3Y4"}` {
		t.Errorf("%+v", events)
	}
	if string(before.AppendDocument(nil, ledger.Base)) != string(w.p.AppendDocument(nil, ledger.Base)) {
		t.Error("a decision changed the profile")
	}
}

// TestWireIsOneForm: the kinds are the protocol between instances of different age.
func TestWireIsOneForm(t *testing.T) {
	want := map[string]string{
		kindPatch:        `{"kind":"patch","view":"base","body":{"firstName":"Ann <b>&","website":"ann.example"}}`,
		kindPatchResume:  `{"kind":"patch_resume","view":"000000000000000000000000R1","body":{"name":"New"}}`,
		kindCreateResume: `{"kind":"create_resume","view":"000000000000000000000000R2","body":{"name":"Second","skills":[{"name":"C"}]}}`,
		kindDeleteResume: `{"kind":"delete_resume","view":"000000000000000000000000R1"}`,
		kindAddItem:      `{"kind":"add_item","view":"base","field":"skills","body":{"name":"C"}}`,
		kindPatchItem:    `{"kind":"patch_item","view":"000000000000000000000000R1","field":"skills","item":"go","body":{"level":"expert"}}`,
		kindRemoveItem:   `{"kind":"remove_item","view":"base","field":"skills","item":"go"}`,
		kindBind:         `{"kind":"bind","provider":"mokaru","rotate":true}`,
		kindUnbind:       `{"kind":"unbind","provider":"mokaru"}`,
		kindDecide:       `{"kind":"decide","item":"01J8Z3K5V6Q7R8S9T0V1W2X3Y4","provider":"linkedin","action":"mark_done"}`,
		kindErase:        `{"kind":"erase"}`,
		kindEmpty:        `{"kind":"empty"}`,
	}
	want[kindAll] = `{"kind":"all","parts":[` + want[kindPatch] + `,` + want[kindAddItem] + `,` + want[kindBind] + `]}`
	for name, c := range every(t) {
		b, err := Encode(c)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if string(b) != want[name] {
			t.Errorf("%s: got %s, want %s", name, b, want[name])
		}
		if !json.Valid(b) {
			t.Errorf("%s is not JSON", name)
		}
	}
}
