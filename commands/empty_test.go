package commands

import (
	"strings"
	"testing"
)

// TestEmpty: what may be cleared is, in every resume; what a profile cannot be without
// stays, and so does what can only be appended; asked again it comes to nothing.
func TestEmpty(t *testing.T) {
	w := newWorld()
	w.must(t)(Create(w.p.ID, []byte(`{"firstName":"Jane","lastName":"Smith","email":"jane@example.com","firstName@fr_FR":"Jeanne","city":"Oslo",
		"phones":[{"number":"+47 1","type":"MOBILE"},{"number":"+47 2"}],"skills":[{"name":"Go"},{"name":"SQL"}],
		"nexudus":{"onNewWallPost":true},"postpress":{"location":{"id":"7"}},"websites":[{"url":"https://a.example"}]}`)))
	w.must(t)(CreateResume(resumeAlias("R2"), []byte(`{"name":"Second"}`)))
	before := len(w.p.Resumes)
	w.must(t)(Empty(), nil)
	for name := range w.p.Shared {
		if !strings.Contains(" firstName lastName email ", " "+name+" ") {
			t.Errorf("%s is left", name)
		}
	}
	if len(w.p.Shared) != 3 || len(w.p.Resumes) != before {
		t.Errorf("%d scalars, %d resumes", len(w.p.Shared), len(w.p.Resumes))
	}
	for _, r := range w.p.Resumes {
		for field, l := range r.Collections {
			if len(l.Order) > 0 {
				t.Errorf("%s of %s has %d items", field, r.ID, len(l.Order))
			}
		}
	}
	for field, l := range w.p.Lists {
		if len(l.Order) > 0 {
			t.Errorf("%s has %d items", field, len(l.Order))
		}
	}
	if events := w.must(t)(Empty(), nil); len(events) != 0 {
		t.Errorf("again: %d events", len(events))
	}
}
