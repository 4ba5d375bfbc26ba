package sandbox

import (
	"maps"
	"net/http"
	"testing"
)

func TestTrap27JarviWithoutAnIDEachPostMakesAPerson(t *testing.T) {
	p := startJarvi(t, Options{})
	const person = `{"firstName":"A","emailAddresses":"a@b.example","linkedinUrl":"https://www.linkedin.com/in/a/"}`
	first := p.save(person)
	if p.save(person) == first {
		t.Error("the same person by address and URL")
	}
	const known = `{"externalId":"e","firstName":"A","emailAddresses":"a@b.example"}`
	first = p.save(known)
	if p.save(known) != first {
		t.Error("another person for the same externalId")
	}
	if _, n := p.find(); n != 3 {
		t.Errorf("%d profiles", n)
	}
	if got := p.kept(); got.Creates != 3 || got.Updates != 1 || got.Writes != 3 {
		t.Errorf("%+v", got)
	}
}

func TestTrap28JarviRepeatsAddHistoryAndFilesAgain(t *testing.T) {
	p := startJarvi(t, Options{})
	body := `{"externalId":"e","historyEntrySubject":"s","historyEntryMessage":"m","resumesFiles":` + jarviFile("cv.pdf", "x") + `,"files":` + jarviFile("a.pdf", "x") + `}`
	id := p.save(body)
	p.save(body)
	p.save(`{"externalId":"e","headline":"h"}`) // carries none, adds none
	if got := p.kept(); !maps.Equal(got.Counts, map[string]int{"profiles": 1, "history": 2, "files": 4}) || got.Writes != 3 {
		t.Errorf("%+v", got)
	}
	lines, _ := p.profile(id)[jarviHistory].([]any)
	for _, line := range lines {
		if !maps.Equal(line.(map[string]any), map[string]any{"historyEntrySubject": "s", "historyEntryMessage": "m"}) {
			t.Errorf("%v", line)
		}
	}
}

func TestTrap29JarviCustomFieldsAreAtTheTopLevel(t *testing.T) {
	p := startJarvi(t, Options{})
	p.want(p.call("POST", "", `{"externalId":"e","customFieldsValues":{"`+jarviCustom+`":"x"}}`), http.StatusBadRequest)
	id := p.save(`{"externalId":"e","` + jarviCustom + `":"Angular, React"}`)
	p.save(`{"externalId":"e","` + jarviType + `":"true"}`)
	if kept := p.profile(id); kept[jarviCustom] != "Angular, React" || kept[jarviType] != "true" {
		t.Errorf("%v", kept)
	}
}

func TestTrap30JarviWhereWithATypoFindsEverybody(t *testing.T) {
	p := startJarvi(t, Options{})
	p.save(`{"externalId":"e-1","firstName":"Stranger"}`)
	p.save(`{"externalId":"e-2","firstName":"Mine"}`)
	if got := p.names(`{"externalId":{"_eq":"e-2"}}`); got != "Mine" {
		t.Errorf("%s", got)
	}
	for _, where := range []string{`{"externalID":{"_eq":"e-2"}}`, `{"externalId":{"eq":"e-2"}}`, `{"externalId":"e-2"}`, `{"externalId":{"_eq":"e-2"}`, `externalId`, `[]`, `7`,
		`{"externalId":{"_eq":"e-2"},"name":{"_eq":"x"}}`, `{"_or":[{"externalId":{"_eq":"e-2"}},{"name":{"_eq":"x"}}]}`, `{"_or":{"externalId":{"_eq":"e-2"}}}`,
		`{"_and":[{"externalId":{"_eq":"e-2"}}]}`, `{"externalId":{}}`, `{"externalId":{"_in":"e-2"}}`, `{"externalId":{"_eq":7}}`, `{"externalId":{"_in":[{}]}}`,
		`{"externalId":{"_ilike":null}}`, `{"externalId":{"_eq":"e-2"},"externalId":{"_eq":"e-2"}}`, `{"phoneNumbers":{"_eq":null}}`} {
		if got := p.names(where); got != "Stranger Mine" {
			t.Errorf("%s finds %q", where, got)
		}
	}
}
