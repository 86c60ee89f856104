"""Common English misspellings, and rules that misspell any other word in the way people do."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

_TABLE = """
absence=absense acceptable=acceptible accidentally=accidently accommodate=accomodate achieve=acheive
across=accross acquire=aquire actually=actualy address=adress advertisement=advertisment again=agian
almost=allmost already=allready always=alway amateur=amature among=amoung apparent=apparant
appearance=appearence argument=arguement athlete=athelete audience=audiance awkward=akward
balance=ballance basically=basicly beautiful=beatiful because=becuase been=bene before=befor
beginning=begining behavior=behavoir believe=beleive between=betwen brilliant=brillant business=buisness
calendar=calender career=carreer category=catagory caught=cought certain=certian changeable=changable
character=charactor chief=cheif cinema=cinima clever=claver comedy=comady coming=comming
committee=commitee company=compnay comparison=comparision completely=completly conscience=concience
conscious=concious consistent=consistant could=coud country=contry course=corse criticism=critisism
daughter=daugther decision=desision definitely=definately description=discription desperate=desparate
develop=develope different=diffrent dilemma=dilema disappear=dissapear disappoint=dissapoint
discipline=disipline dramatic=dramtic during=durring effect=efect embarrass=embarass emotional=emotinal
enough=enougth entertaining=entertaning environment=enviroment especially=especialy every=evrey
exaggerate=exagerate excellent=excelent except=exept existence=existance experience=experiance
extremely=extremly familiar=familar family=famly favorite=favourit feature=feeture february=febuary
feel=feal film=flim finally=finaly first=frist foreign=foriegn forty=fourty forward=foward friend=freind
from=form funny=funy further=futher generally=generaly genuine=genuin government=goverment grammar=grammer
great=graet guarantee=garantee guard=gaurd happened=happend harass=harrass have=ahve height=heigth
hero=heroe horror=horor humor=humour humorous=humerous hundred=hunderd idea=idae immediately=immediatly
independent=independant intelligent=inteligent interesting=intresting interrupt=interupt island=iland
its=it's jealous=jelous judgment=judgement knowledge=knowlege language=langauge laugh=laught
leisure=liesure length=lenght library=libary license=lisence light=ligth little=litle looking=loking
lose=loose maintenance=maintainance make=maek many=manny marriage=marrage meant=ment minute=minuet
moment=momment movie=moive much=mutch music=musik mystery=mistery necessary=neccessary neighbor=nieghbor
never=nevr noticeable=noticable number=nubmer occasion=ocassion occurred=occured often=offen only=onyl
opinion=opinon opportunity=oppurtunity original=orignal other=ohter parallel=paralel particular=particuler
peculiar=peculier people=poeple perfect=prefect performance=preformance perhaps=prehaps personal=personel
picture=pitcure piece=peice play=paly possible=posible practically=practicly predictable=predictible
prefer=preferr president=presidant probably=probaly problem=probelm professional=proffesional really=realy
receive=recieve recommend=reccomend remember=rember repetition=repitition restaurant=restaraunt
rhythm=rythm ridiculous=rediculous romantic=romatic scene=sceen schedule=shedule screen=screne
script=scirpt seems=seams sense=sence separate=seperate several=severel should=shoud similar=similiar
simple=simpel since=sinse sincerely=sincerly some=soem something=somthing special=speical story=stroy
strange=stange strength=strenght success=sucess successful=succesful surprise=suprise system=sytem
tell=tel than=then that=taht their=thier there=ther these=theese they=tehy thing=thign think=thnik
thorough=thurough though=thougth thought=tought through=throught time=tiem together=togather
tomorrow=tommorow tragedy=tradgedy truly=truely twelfth=twelth tyranny=tyrany unique=uniqe until=untill
usually=usualy very=vrey weird=wierd welcome=wellcome were=wear what=waht when=wehn where=whre
whether=wether which=wich while=whiel who=woh with=wiht woman=women without=withuot words=wrods
world=wolrd would=woud writing=writting written=writen wrong=worng year=yaer young=yuong your=youre
"""
MISSPELLINGS: dict[str, str] = dict(pair.split("=") for pair in _TABLE.split())

_VOWELS = dict(zip("aeiouy", "eaeuoi", strict=True))


def misspelled(word: str, rng: np.random.Generator) -> str:
    """A wrong spelling of ``word``, never the word itself, in its case: from the table, else by rule."""
    lower = word.lower()
    wrong = MISSPELLINGS.get(lower) or _by_rule(lower, rng)
    if word.isupper() and len(word) > 1:
        return wrong.upper()
    return wrong[0].upper() + wrong[1:] if word[0].isupper() else wrong


def _by_rule(word: str, rng: np.random.Generator) -> str:
    def edits(pattern: str, change: Callable[[str], str]) -> list[str]:
        return [word[: m.start()] + change(m[0]) + word[m.end() :] for m in re.finditer(pattern, word)]

    options = edits(r"([^\W\d_aeiou])\1", lambda pair: pair[0])
    options += edits("(?<=[aeiou])[bdfglmnprst](?=[aeiou])", lambda letter: letter * 2)
    options += edits("ie|ei", lambda pair: pair[::-1])
    options += edits("(?<!^)[aeiouy]", lambda vowel: _VOWELS[vowel])
    options += edits("ph", lambda pair: "f") + edits("(?<=...)e$", lambda letter: "")
    return options[rng.integers(len(options))] if options else word + word[-1]
