import copy, itertools
import pytest
from stages.report.page import page, PARTS
from stages.report.__main__ import markdown

def ok(b):
    h=page(b); 
    try: m=markdown(b)
    except KeyError as e: m=""; print("markdown KeyError",e)
    return h
def text(h):
    import re
    return re.sub(r"\s+"," ",re.sub(r"<style>.*?</style>|<[^>]+>"," ",h,flags=re.S))
def base_only(build):
    build.names=["base"];build.adapters=[];build.trained=["base"];build.comparisons={}
    build.params|={"adapters":{},"models":{"b":{"name":"base"}},"transcripts":{}}
    build.figures=[f for f in build.figures if f["model"]=="base"]
    build.models={"base":build.models["base"]};build.answers={"base":[]};build.scores={"base":{}}
    build.curves={"base":build.curves["base"]}
    return build
def test_plain(build): print(text(ok(build))[:6000])
def test_base(build): print(text(ok(base_only(build)))[:5000])
def test_hub_base(build):
    b=base_only(build); b.curves={"base":[]}; ok(b)
def test_no_primary(build):
    for s in build.sections.values(): s.pop("primary")
    for f in build.figures: f["primary"]=0
    for c in build.comparisons.values():
        c.pop("all")
        for s in c["sections"].values():
            for k in("forgetting","recovery","primary"): s.pop(k,None)
        c["gap"]={"own_train":{"keys":{"exact":{"train":0.9,"test":0.1,"gap":0.8,"low":.7,"high":.9,"p":.001,"p_holm":.001,"n_train":20,"n_test":20}}}}
    h=ok(build); print("learned by heart", "Learned by heart" in h); print(text(h)[:3000])
def test_no_sections(build):
    build.params["evaluate"]["sections"]={};build.params["evaluate"]["table"]=[];build.figures=[]
    for c in build.comparisons.values(): c["sections"]={};c.pop("all")
    build.models={n:{} for n in build.names}; ok(build)
def test_empty_everything(build):
    build.params["evaluate"]["table"]=[]
    build.splits={};build.costs={};build.data={};build.curves={n:[] for n in build.names}; ok(build)
def test_one_section(build):
    build.params["evaluate"]["sections"].pop("code")
    for c in build.comparisons.values(): c["sections"].pop("code")
    build.figures=[f for f in build.figures if f["section"]!="code"]; ok(build)
@pytest.mark.parametrize("evil",["<script>alert(1)</script>","a"*300,"\x1b[31m\u202eevil","日本語 モデル","\"'>&","x y"])
def test_hostile(build,evil):
    import json
    def sw(o):
        if isinstance(o,str): return evil if o=="2b" else o
        if isinstance(o,list): return [sw(x) for x in o]
        if isinstance(o,dict): return {sw(k):sw(v) for k,v in o.items()}
        return o
    for f in list(vars(build)):
        if f!="preferences": setattr(build,f,sw(getattr(build,f)))
    h=ok(build); assert "<script" not in h; assert "\x1b" not in h and "\u202e" not in h
def test_twelve(build):
    ads={};names=["base"]
    import copy as c
    for i in range(11):
        on=names[i//2]; n=f"m{i}"; names.append(n); ads[n]={"name":n,"on":on}
        build.comparisons[n]=c.deepcopy(build.comparisons["2c"])|{"model":n,"on":on}
        build.models[n]=build.models["2c"]
        build.figures+=[f|{"model":n} for f in build.figures if f["model"]=="2c"]
        build.curves[n]=build.curves["2c"];build.answers[n]=[];build.scores[n]={}
    for d in (build.comparisons,build.models,build.curves,build.answers,build.scores):
        for k in("2b","2c","chat"): d.pop(k,None)
    build.figures=[f for f in build.figures if f["model"] in names]
    build.names=names;build.adapters=names[1:];build.trained=names
    build.params|={"adapters":ads,"models":{n:{"name":n} for n in names},"transcripts":{}}
    h=ok(build); print(text(h)[:2500])
def test_none_values(build):
    for f in build.figures: f.pop("low");f.pop("high")
    for c in build.comparisons.values():
        for s in c["sections"].values():
            for k in s["keys"].values():
                for side in("on","base"): 
                    for e in("low","high","p","p_holm"): k[side].pop(e,None)
            for x in("forgetting","recovery"):
                if x in s:
                    s[x].pop("low");s[x].pop("high")
        for x in("forgetting","recovery"):
            if x in c["all"]: c["all"][x].pop("low");c["all"][x].pop("high")
    ok(build)
def test_not_tested(build):
    for c in build.comparisons.values():
        for s in c["sections"].values():
            for k in s["keys"].values():
                for side in("on","base"): k[side]={"delta":k[side]["delta"],"n":0}
    ok(build)
def test_teacher_silent(build):
    build.data={"requested":100,"replied":2,"rows":2,"parsed":2,"rejected":98,"rejected_by_reason":{"no_reply":98}}
    build.rejects=[{"request":f"r{i}","reason":"no_reply","detail":"x","text":"","best":None,"row":None} for i in range(98)]
    h=ok(build); t=text(h); i=t.find("made no row"); print(t[i-100:i+700])
