package ledger

// What only PostPress' Edit own profile page knows. Names are the page's in camelCase.
// A multipart form has no null: what has been set cannot be cleared there.

func postPressFields() []Field {
	own := func(name string, kind Kind, as string) Field {
		return Field{Name: "postpress." + name, View: Shared, Kind: kind, Clearable: true, Provider: PostPress,
			Homes: []Home{sent(PostPress, as, ClearNever)}}
	}
	oneOf := func(f Field, words ...string) Field { f.Enum = words; return f }
	point := func(f Field, as string) Field {
		f.Item = []Member{
			of(KindNumber, "x", to(PostPress, as+"[x]")).required(),
			of(KindNumber, "y", to(PostPress, as+"[y]")).required(),
		}
		return f
	}
	picture := func(name, as string) []Field {
		fields := []Field{oneOf(own(name+".filter", KindText, as+"[filter]"), "ORIGINAL", "STUDIO", "SPOTLIGHT", "PRIME", "CLASSIC", "EDGE", "LUMINATE")}
		for _, corner := range []string{"bottomLeft", "bottomRight", "topLeft", "topRight"} {
			path := as + "[layout][" + corner + "]"
			fields = append(fields, point(own(name+".layout."+corner, KindObject, path), path))
		}
		for _, n := range []string{"contrast", "vignette", "saturation", "brightness"} {
			fields = append(fields, own(name+"."+n, KindNumber, as+"["+n+"]"))
		}
		return fields
	}
	place := own("location.id", KindText, "location[id]")
	place.About = "the id of a place there, not its name; postalCode is sent only with it"
	place.Homes[0].Why = "needed beside location[postal_code]"
	link := oneOf(own("customLink.type", KindText, "custom_link[type]"), "STORE", "WEBSITE", "PORTFOLIO", "BLOG", "NEWSLETTER")
	link.About = "which link is the custom link: WEBSITE is website, PORTFOLIO is portfolio, any other the first of websites with that category"
	open := own("openToWork", KindObject, "open_to_work")
	open.Item = []Member{
		of(KindObjects, "jobTitle", to(PostPress, "open_to_work[job_title]")).required().holding(
			text("name", to(PostPress, "open_to_work[job_title][name]")).required(),
			text("id", to(PostPress, "open_to_work[job_title][id]")).required()),
		of(KindTexts, "presence", to(PostPress, "open_to_work[presence]")).required().oneOf(presences()...),
		of(KindObject, "location", to(PostPress, "open_to_work[location]")).required().holding(
			of(KindTexts, "onSite", to(PostPress, "open_to_work[location][on_site]")),
			of(KindTexts, "remote", to(PostPress, "open_to_work[location][remote]"))),
		text("startDate", to(PostPress, "open_to_work[start_date]")).oneOf("IMMEDIATELY", "FLEXIBLE"),
		of(KindTexts, "employmentType", to(PostPress, "open_to_work[employment_type]")).oneOf("FULL_TIME", "PART_TIME", "CONTRACT", "INTERNSHIP", "TEMPORARY"),
		text("visibility", to(PostPress, "open_to_work[visibility]")).oneOf("ALL", "RECRUITERS_ONLY"),
	}
	fields := []Field{place}
	fields = append(fields, picture("pictureSettings", "picture_settings")...)
	fields = append(fields, picture("coverPictureSettings", "cover_picture_settings")...)
	return append(fields,
		own("skillsFollow", KindBool, "skills_follow"),
		open,
		link,
		oneOf(own("customLink.displayOn", KindText, "custom_link[display_on]"), "PROFILE_ONLY", "EVERYWHERE"))
}
